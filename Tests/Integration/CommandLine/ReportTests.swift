// The report that SIGUSR1 requests: its numbers are consistent, Prometheus accepts it, and no reader gets half of it.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When pgleash reports` {
        private let postgres = PrivatePostgres.shared

        @Test func `the numbers add up, and promtool has nothing to say against them`() throws {
            let pgleash = try PgleashProcess()
            let idle = try pgleash.connect(name: "idle")
            let busy = try pgleash.connectBusy(name: "busy")
            try pgleash.connect(name: "left").close()
            try pgleash.connectBusy(name: "dropped").close()
            try pgleash.connectBusy(name: "reset").reset()
            try RawClient(port: pgleash.port).send(Frontend.cancelRequest(idle.key))
            try RawClient(port: pgleash.port).send(Array("nonsense".utf8))
            let report = try pgleash.waitForReport("two sessions") {
                $0["sessions_active"] == 2 && $0.sessions.count == 2
            }
            #expect(report["sessions_opened_total"] == 7)
            #expect(report["sessions_opened_total"] == report["sessions_active"] + report.sum("sessions_ended_total"))
            #expect(report.sum("drops_total") == 2)
            #expect(report.sum("drops_total") == report.sum("orphans_total") + report["orphans_active"])
            #expect(report["sessions_busy"] == 1)
            #expect(report["sessions_max"] == 10_000)
            #expect(report["reap_seconds_count"] == 2)
            #expect(report["reap_seconds_bucket", "+Inf"] == 2)
            #expect(report.values["pgleash_reap_seconds_sum"].map { $0 > 0 && $0 < 1 } == true)
            #expect(report["protocol_errors_total", "client"] == 1)
            #expect(report.sessions.count == 2)

            let check = try ChildProcess.run(
                Programs.system("sh"),
                ["-c", "exec '\(Programs.system("promtool"))' check metrics <'\(pgleash.metricsFile)'"]
            )
            #expect(check.exit == .code(0))
            #expect(check.output == "")
            #expect(check.error == "")
            withExtendedLifetime((idle, busy)) {}
            pgleash.stop()
        }

        @Test func `live sessions are listed, the longest-running query first`() throws {
            let pgleash = try PgleashProcess()
            let idle = try pgleash.connect(name: "idle one")
            let longest = try pgleash.connectBusy(name: "longest")
            let inTransaction = try pgleash.connect(name: "in transaction")
            try inTransaction.send(Frontend.query("BEGIN"))
            try inTransaction.read(until: BackendKind.readyForQuery)
            let shorter = try pgleash.connectBusy(name: "shorter")
            let silent = try RawClient(port: pgleash.port)
            let report = try pgleash.waitForReport("five sessions") { $0["sessions_active"] == 5 }
            let expected: [(name: String, state: String, client: RawClient)] = [
                ("longest", "active", longest), ("shorter", "active", shorter), ("idle one", "idle", idle),
                ("in transaction", "idle in transaction", inTransaction), ("", "startup", silent),
            ]
            try #require(report.sessions.count == expected.count)
            for (session, expected) in zip(report.sessions, expected) {
                #expect(session["application_name"] == expected.name)
                #expect(session["state"] == expected.state)
                let isKnown = expected.state != "startup"
                #expect(session["user"] == (isKnown ? "postgres" : ""))
                #expect(session["database"] == (isKnown ? "postgres" : ""))
                #expect(session["pid"] == (isKnown ? "\(expected.client.backendPID)" : "-"))
                #expect(session["client"] == expected.client.localAddress)
                #expect((session["query"] == "-") == (expected.state != "active"))
                #expect(session["age"]?.hasSuffix("s") == true)
            }
            pgleash.stop()
        }

        @Test func `names can't forge lines of the report or of the log`() throws {
            let pgleash = try PgleashProcess()
            let name = "a\" state=\"x\n# session forged\npgleash_forged_total 1"
            let client = try pgleash.connect(name: name)
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try pgleash.waitForReport("a busy session") { $0["sessions_busy"] == 1 }
            let text = try pgleash.report().text
            #expect(!text.contains("\n# session forged"))
            #expect(!text.contains("\npgleash_forged_total"))
            client.close()
            try wait(for: "the log line") { pgleash.log.contains("orphan reaped") }
            #expect(!pgleash.log.contains("\npgleash_forged_total"))
            pgleash.stop()
        }

        @Test func `the file is replaced in one step, and others may read it`() throws {
            let pgleash = try PgleashProcess()
            // So many sessions that writing the file takes a while.
            let clients = try (1...100).map { _ in try RawClient(port: pgleash.port) }
            try pgleash.waitForReport("all sessions") { $0.sessions.count == clients.count }
            var inodes: Set<UInt64> = []
            let end = Deadline(after: .seconds(2))
            while !end.hasPassed {
                pgleash.process.send(SIGUSR1)
                for _ in 0..<20 {
                    let text = try #require(readText(pgleash.metricsFile))
                    try #require(text.hasPrefix("# HELP pgleash_sessions_opened_total "))
                    try #require(text.hasSuffix("\n"))
                    try #require(try Report(parsing: text).sessions.count == clients.count)
                }
                var status = stat()
                try #require(unsafe stat(pgleash.metricsFile, &status) == 0)
                try #require(status.st_mode & 0o777 == 0o644)
                inodes.insert(UInt64(status.st_ino))
            }
            // The file was replaced while the test read it.
            #expect(inodes.count > 1)
            let folder = (pgleash.metricsFile as NSString).deletingLastPathComponent
            try wait(for: "the last report to be written") {
                try FileManager.default.contentsOfDirectory(atPath: folder) == ["pgleash.prom"]
            }
            withExtendedLifetime(clients) {}
            pgleash.stop()
        }

        @Test func `the file keeps its mode, and is made where a symbolic link leads`() throws {
            let folder = RunFolder.shared.newFolder("linked")
            let file = folder + "/pgleash.prom"
            try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: "target")
            let pgleash = try PgleashProcess(configuration: ["metrics": ["file = \(file)"]], hasMetricsFile: false)
            let target = folder + "/target"
            pgleash.process.send(SIGUSR1)
            try wait(for: "the report") { readText(target)?.hasSuffix("\n") == true }
            try #require(unsafe chmod(target, 0o640) == 0)
            var status = stat()
            try #require(unsafe stat(target, &status) == 0)
            let first = status.st_ino
            pgleash.process.send(SIGUSR1)
            try wait(for: "the second report") { unsafe stat(file, &status) == 0 && status.st_ino != first }
            #expect(status.st_mode & 0o7777 == 0o640)
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: file) == "target")
            pgleash.stop()
        }

        @Test func `what is no regular file is left alone, with a warning at the start and an error for each report`()
            throws
        {
            let device = RunFolder.shared.newFolder("device") + "/pipe"
            try #require(unsafe mkfifo(device, 0o600) == 0)
            let setting = ["metrics": ["file = \(device)"]]
            let pgleash = try PgleashProcess(configuration: setting, hasMetricsFile: false)
            #expect(try pgleash.waitForLogLines("[metrics] file").first?.contains("it is not a regular file") == true)
            pgleash.process.send(SIGUSR1)
            try wait(for: "the error") { pgleash.log.contains("could not write the report") }
            #expect(try pgleash.waitForLogLines("could not write the report")[0].contains("it is not a regular file"))
            var status = stat()
            #expect(unsafe lstat(device, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
            pgleash.stop()
        }

        @Test func `without a file the report goes to standard error`() throws {
            let pgleash = try PgleashProcess(hasMetricsFile: false)
            pgleash.process.send(SIGUSR1)
            try wait(for: "the report") {
                pgleash.log.contains("\n# live sessions: 0, the longest-running query first\n")
            }
            #expect(pgleash.log.contains("\npgleash_sessions_opened_total 0\n"))
            pgleash.stop()
        }

        @Test func `a file that can't be written is an error in the log, and no more`() throws {
            let pgleash = try PgleashProcess(
                configuration: ["metrics": ["file = /no/such/file"]], hasMetricsFile: false)
            pgleash.process.send(SIGUSR1)
            try wait(for: "the error") { pgleash.log.contains("could not write the report") }
            #expect(pgleash.logLines("could not write the report").allSatisfy { $0.contains("/no/such/file") })
            #expect(try LibpqClient(port: pgleash.port).query("SELECT 1") == [["1"]])
            pgleash.stop()
        }
    }
}
