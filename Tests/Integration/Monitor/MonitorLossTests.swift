// The monitor's connection fails: nothing is lost, and it comes back.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A monitor that fails` {
        private let postgres = MonitoredServer.postgres

        /// Leaves a query, and returns its log line.
        private func reap(_ pgleash: PgleashProcess, _ name: String) throws -> [String: String] {
            let client = try pgleash.connectClient(name: name)
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive(name, event: "PgSleep")
            client.close()
            return try pgleash.reapedLine(name)
        }

        private var monitorPID: pid_t {
            get throws {
                let text = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgleash monitor'"
                return pid_t(try postgres.value(text)) ?? 0
            }
        }

        @Test func `because an administrator ends it is replaced, and CancelRequests are sent meanwhile`() throws {
            let pgleash = try PgleashProcess.monitored()
            for round in 1...3 {
                try postgres.query("SELECT pg_terminate_backend(\(try monitorPID))")
                let line = try reap(pgleash, "cut off \(round)")
                #expect(line["outcome"] == "cancelled")
                try pgleash.waitForMonitor()
            }
            #expect(try reap(pgleash, "after")["outcome"] == "cancelled")
            let report = try pgleash.report()
            #expect(report["cancels_sent_total", "monitor"] >= 1)
            #expect(try pgleash.waitForLogLines("terminating connection due to administrator command").count == 1)
            pgleash.stop()
        }

        @Test func `because its backend hangs delays a cancel by 50 ms, and only the first one`() throws {
            let pgleash = try PgleashProcess.monitored()
            let backend = try monitorPID
            kill(backend, SIGSTOP)
            defer { kill(backend, SIGCONT) }
            let (first, second) = (try reap(pgleash, "first"), try reap(pgleash, "second"))
            print("reaped after \(first["reap_ms"] ?? "") and \(second["reap_ms"] ?? "") ms")
            #expect(Double(first["reap_ms"] ?? "").map { $0 < 150 } == true)
            #expect(Double(second["reap_ms"] ?? "").map { $0 < 50 } == true)
            let report = try pgleash.report()
            #expect(report["cancels_sent_total", "request"] >= 2 && report["cancels_sent_total", "monitor"] == 0)
            kill(backend, SIGCONT)
            try pgleash.waitForMonitor()
            pgleash.stop()
        }

        @Test func `because of its password is logged once, and tried again after a minute`() throws {
            let rules = try RunFolder.shared.newFile(
                "pg_hba.conf",
                "host all \(MonitoredServer.role) all scram-sha-256\nhost all all all trust\nlocal all all trust\n"
            )
            let server = try PrivatePostgres(settings: ["log_connections=on"], files: [("pg_hba.conf", rules)])
            try MonitoredServer.addRoles(to: server)
            try server.query("ALTER ROLE \(MonitoredServer.role) PASSWORD 'right'")
            func pgleash(_ password: String) throws -> PgleashProcess {
                let monitor = ["user = \(MonitoredServer.role)", "password = \(password)"]
                return try PgleashProcess(server: server.address, configuration: ["monitor": monitor])
            }
            let wrong = try pgleash("wrong")
            try wait(for: "the refusal") { wrong.log.contains("password authentication failed") }
            #expect(holds(for: .seconds(3)) { wrong.logLines("monitor").count == 1 })
            #expect(server.log.components(separatedBy: "password authentication failed").count == 2)
            #expect(!wrong.log.contains("password = wrong") && !wrong.log.contains("right"))
            wrong.stop()
            let right = try pgleash("right")
            try right.waitForMonitor()
            right.stop()
            server.stop()
        }

        @Test func `because the server restarts is replaced`() throws {
            let server = try Storm.newPostgres(restarts: true)
            try MonitoredServer.addRoles(to: server)
            let pgleash = try PgleashProcess.monitored(server.address)
            kill(server.postmaster, SIGINT)
            try server.waitForRestart()
            try wait(for: "the monitor", within: .seconds(20)) {
                pgleash.logLines("monitor connected").count == 2
            }
            pgleash.stop()
            server.stop()
        }

        @Test func `without libpq, rights or a user is told by --check-monitor`() throws {
            func check(_ lines: String, _ arguments: String...) throws -> ChildProcess {
                let file = try RunFolder.shared.newFile("check.conf", lines)
                let words = ["--config", file, "--server", postgres.address, "--check-monitor"] + arguments
                let run = try ChildProcess(Programs.pgleash, words)
                try run.wait(within: .seconds(20))
                return run
            }
            let good = try check("[monitor]\nuser = \(MonitoredServer.role)\n")
            #expect(good.exit == .code(0) && good.output.contains("logged in as \(MonitoredServer.role)"))
            let poor = try check("[monitor]\nuser = \(MonitoredServer.client)\n")
            let grant = "GRANT pg_signal_backend, pg_read_all_stats TO \"\(MonitoredServer.client)\""
            #expect(poor.exit == .code(1) && poor.output.contains(grant))
            let unknown = try check("[monitor]\nuser = nobody\n")
            #expect(unknown.exit == .code(1) && unknown.output.contains("could not log in"))
            let absent = try check("[monitor]\nuser = nobody\n", "--server", "127.0.0.1:\(try freePort())")
            #expect(absent.exit == .code(2) && absent.output.contains("no response"))
            #expect(try check("").exit == .code(3))
        }
    }
}
