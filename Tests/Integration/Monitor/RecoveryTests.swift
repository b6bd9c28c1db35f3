// The end of what a killed pgleash left, by the next one.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A pgleash that was killed` {
        private let postgres = MonitoredServer.postgres

        private func start(_ file: String, cancel: [String] = []) throws -> PgleashProcess {
            let pgleash = try PgleashProcess(
                server: postgres.address,
                configuration: [
                    "monitor": ["user = \(MonitoredServer.role)", "recovery_file = \(file)"], "cancel": cancel,
                ]
            )
            try pgleash.waitForMonitor()
            return pgleash
        }

        private func sleeping(_ pgleash: PgleashProcess, _ name: String) throws -> RawClient {
            let client = try pgleash.connectClient(name: name)
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive(name, event: "PgSleep")
            return client
        }

        private func active(_ name: String) throws -> Int {
            try postgres.count("application_name LIKE '\(name)' AND state = 'active'")
        }

        @Test func `leaves nothing that the next one does not end within two seconds`() throws {
            let file = try RunFolder.shared.newFile("sessions", "")
            let killed = try start(file)
            let ended = try sleeping(killed, "ended before")
            ended.close()
            _ = try killed.reapedLine("ended before")
            let idle = try killed.connectClient(name: "idle")
            let clients = try (1...16).map { try sleeping(killed, "left by a kill \($0)") }
            let bystander = try RawClient(port: postgres.port)
            try bystander.startUp(name: "bystander")
            try bystander.send(Frontend.query("SELECT pg_sleep(600)"))
            try killed.kill()
            #expect(try active("left by a kill %") == 16)
            let start = ContinuousClock.now
            let next = try self.start(file)
            try wait(for: "the end of all queries") { try active("left by a kill %") == 0 }
            #expect(MachinePauses.shared.timeWithout(from: start, to: .now) < .seconds(2))
            let report = try next.waitForReport("all outcomes") {
                $0["recovered_orphans_total", "terminated"] == 16
            }
            #expect(report.sum("recovered_orphans_total") == 16 && report.sum("orphans_total") == 0)
            #expect(try active("bystander") == 1)
            // What has ended is ended once.
            try next.kill()
            let last = try self.start(file)
            let late = try last.waitForReport("a report") { _ in true }
            #expect(late.sum("recovered_orphans_total") == 0)
            last.stop()
            bystander.reset()
            withExtendedLifetime((idle, clients)) {}
        }

        @Test func `leaves excluded sessions alone`() throws {
            let file = try RunFolder.shared.newFile("sessions", "")
            let killed = try start(file)
            let client = try sleeping(killed, "excluded from recovery")
            try killed.kill()
            let next = try start(file, cancel: ["exclude_application_name = excluded from recovery"])
            try next.waitForReport("the outcome") { $0["recovered_orphans_total", "excluded"] == 1 }
            #expect(try active("excluded from recovery") == 1)
            try postgres.terminate("excluded from recovery")
            next.stop()
            withExtendedLifetime(client) {}
        }

        @Test func `is not taken for dead while it lives, nor is a file used that others may write to`() throws {
            let file = try RunFolder.shared.newFile("sessions", "")
            let pgleash = try start(file)
            let options = [
                "--config", "/dev/null", "--listen", "127.0.0.1:1", "--server", postgres.address,
            ]
            func error(with file: String) throws -> String {
                try ChildProcess.run(
                    Programs.pgleash, options,
                    environment: ["PGLEASH_MONITOR_USER": "leash", "PGLEASH_MONITOR_RECOVERY_FILE": file]
                ).error
            }
            #expect(try error(with: file).contains("could not use \"\(file)\": another process uses it"))
            let open = try RunFolder.shared.newFile("open", "")
            try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: open)
            #expect(try error(with: open).contains("to which no other user may write"))
            for contents in ["a password", String(repeating: "a line\n", count: 100)] {
                let other = try RunFolder.shared.newFile("other", contents)
                #expect(try error(with: other).contains("it has other contents, and was left alone"))
                #expect(readText(other) == contents)
            }
            #expect(try error(with: "/nowhere/sessions").contains("No such file or directory"))
            pgleash.stop()
        }

        @Test func `has a record of sessions that is empty after a stop`() throws {
            let file = try RunFolder.shared.newFile("sessions", "")
            let pgleash = try start(file)
            let clients = try (1...3).map { try pgleash.connectClient(name: "recorded \($0)") }
            let words = try String(contentsOfFile: file, encoding: .utf8).split { $0 == " " || $0 == "\n" }
            #expect(words[..<3] == ["pgleash", "sessions", "1"] && words.count == 3 + 3 * 5)
            for client in clients { try client.leave(.terminate) }
            try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            let rest = try String(contentsOfFile: file, encoding: .utf8).split { $0 == " " || $0 == "\n" }
            #expect(rest == ["pgleash", "sessions", "1"])
            pgleash.stop()
        }
    }
}
