// The main use case of pgleash: a real psql is killed while its query runs, in each way in which a psql can be killed.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `A psql` {
        /// The activity of a psql when it is killed.
        enum Work: String, CaseIterable, CustomTestStringConvertible {
            case sleeping, computing, waitingForLock

            var testDescription: String { rawValue }

            var sql: String {
                switch self {
                case .sleeping: "SELECT pg_sleep(600)"
                case .computing: "SELECT generate_series(1, 1e9) OFFSET 1e9"
                case .waitingForLock: "UPDATE locked SET number = 2"
                }
            }

            /// The wait event of `pg_stat_activity`, where there is one.
            var event: String? {
                switch self {
                case .sleeping: "PgSleep"
                case .computing: nil
                case .waitingForLock: "transactionid"
                }
            }
        }

        private let postgres = PrivatePostgres.shared

        /// Holds the lock that `waitingForLock` waits for until the object is released.
        private let holder: LibpqClient

        init() throws {
            try postgres.query("CREATE TABLE IF NOT EXISTS locked AS SELECT 1 AS number")
            holder = try LibpqClient(port: postgres.port, name: "holder")
            try holder.query("BEGIN; UPDATE locked SET number = 1")
        }

        private func startPsql(_ work: Work, port: UInt16, name: String) throws -> ChildProcess {
            // SIGQUIT must not write a core file.
            let psql = try ChildProcess(
                Programs.system("prlimit"),
                ["--core=0:0", Programs.postgres("psql")]
                    + ["-X", "-h", "127.0.0.1", "-p", "\(port)", "-U", "postgres", "-c", work.sql],
                environment: ["PGAPPNAME": name]
            )
            try postgres.waitForActive(name, event: work.event)
            return psql
        }

        @Test(arguments: Work.allCases, [SIGKILL, SIGTERM, SIGHUP, SIGQUIT])
        func `that is killed behind pgleash leaves nothing running`(_ work: Work, _ signal: Int32) throws {
            let pgleash = try PgleashProcess()
            var times: [Duration] = []
            for round in 1...5 {
                let name = "killed-\(work)-\(round)"
                let psql = try startPsql(work, port: pgleash.port, name: name)
                psql.send(signal)
                times.append(try postgres.timeUntilGone(name))
                #expect(try psql.wait() == .signal(signal))
            }
            print("killed by signal \(signal) while \(work): gone after \(times.summary)")
            #expect(times.allSatisfy { $0 < .milliseconds(250) })
            let report = try pgleash.waitForReport("5 orphans") { $0.sum("orphans_total") == 5 }
            #expect(report.sum("drops_total") == 5)
            #expect(report["orphans_total", "cancelled"] == 5)
            #expect(report.sum("cancels_sent_total") >= 5)
            pgleash.stop()
        }

        @Test(arguments: Work.allCases)
        func `that is interrupted cancels by itself, and leaves nothing running`(_ work: Work) throws {
            let pgleash = try PgleashProcess()
            let psql = try startPsql(work, port: pgleash.port, name: "interrupted-\(work)")
            psql.send(SIGINT)
            #expect(try postgres.timeUntilGone("interrupted-\(work)") < .seconds(1))
            #expect(try psql.wait() == .code(1))
            #expect(psql.errorOutput.contains("canceling statement due to user request"))
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["client_cancels_relayed_total"] == 1)
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report.sum("drops_total") == 0)
            pgleash.stop()
        }

        @Test func `has its query ended by Ctrl-C at its terminal, and the next one when that is closed`() throws {
            let pgleash = try PgleashProcess()
            let terminal = try Terminal()
            let psql = try ChildProcess(
                Programs.postgres("psql"),
                ["-X", "-n", "-P", "pager=off", "-h", "127.0.0.1", "-p", "\(pgleash.port)", "-U", "postgres"],
                environment: ["PGAPPNAME": "by-hand"], terminal: terminal
            )
            try terminal.wait(for: "postgres=# ")
            try terminal.interruptQuery(of: "by-hand", on: postgres)
            terminal.type("SELECT pg_sleep(600);\n")
            try postgres.waitForActive("by-hand", event: "PgSleep")
            terminal.close()
            let time = try postgres.timeUntilGone("by-hand")
            print("psql's terminal closed: gone after \([time].summary)")
            #expect(time < .milliseconds(250))
            #expect(try psql.wait() == .signal(SIGHUP))
            let report = try pgleash.waitForReport("the orphan") { $0.sum("orphans_total") == 1 }
            #expect(report["client_cancels_relayed_total"] == 1)
            #expect(report["orphans_total", "cancelled"] == 1)
            pgleash.stop()
        }

        @Test func `that is killed without pgleash leaves its queries running`() throws {
            let names = Work.allCases.map { "killed-directly-\($0)" }
            for (work, name) in zip(Work.allCases, names) {
                let psql = try startPsql(work, port: postgres.port, name: name)
                psql.send(SIGKILL)
                try psql.wait()
            }
            let areStillThere = try holds(for: .seconds(2)) {
                try names.allSatisfy { try postgres.backends($0, state: "active") == 1 }
            }
            #expect(areStillThere)
            for name in names { try postgres.terminate(name) }
        }
    }
}
