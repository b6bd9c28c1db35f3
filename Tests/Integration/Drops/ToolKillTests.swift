// PostgreSQL's own tools, killed while they work: pgbench under load, pg_dump in the middle of a dump.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `Killed at its work` {
        private let postgres = PrivatePostgres.shared

        private func start(_ tool: String, _ arguments: [String], port: UInt16, name: String) throws -> ChildProcess {
            try ChildProcess(
                Programs.postgres(tool), ["-h", "127.0.0.1", "-p", "\(port)", "-U", "postgres"] + arguments,
                environment: ["PGAPPNAME": name], output: "/dev/null"
            )
        }

        // MARK: pgbench

        /// Long enough to be running when the test checks, and busy all the time.
        private static let longQuery = "SELECT count(*) FROM pgbench_accounts a, pgbench_accounts b;\n"

        private func preparePgbench() throws {
            let run = try ChildProcess.run(
                Programs.postgres("pgbench"),
                ["-h", "127.0.0.1", "-p", "\(postgres.port)", "-U", "postgres", "-i", "--quiet", "postgres"]
            )
            #expect(run.exit == .code(0), "\(run.error)")
        }

        @Test func `a pgbench of short transactions leaves nothing, and each orphan is accounted for`()
            throws
        {
            try preparePgbench()
            let pgleash = try PgleashProcess()
            let arguments = ["--client=32", "--jobs=2", "--time=60", "--no-vacuum", "postgres"]
            for round in 1...3 {
                let pgbench = try start("pgbench", arguments, port: pgleash.port, name: "short-\(round)")
                try wait(for: "load") { try postgres.count("application_name = 'short-\(round)'") == 32 }
                rest(.milliseconds(300))
                pgbench.send(SIGKILL)
                let time = try postgres.timeUntilGone("short-\(round)")
                print("pgbench with 32 clients killed: all gone after \([time].summary)")
                #expect(time < .seconds(1))
                #expect(try pgbench.wait() == .signal(SIGKILL))
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["sessions_busy"] == 0)
            #expect(report["orphans_active"] == 0)
            // All of them contend for one row, so most always have an outstanding request.
            #expect(report.sum("drops_total") > 32)
            #expect(report.sum("drops_total") == report.sum("orphans_total"))
            #expect(report["orphans_total", "gave_up"] == 0)
            pgleash.stop()
        }

        @Test func `a pgbench of long queries leaves none, and without pgleash all`() throws {
            try preparePgbench()
            let pgleash = try PgleashProcess()
            let script = try RunFolder.shared.newFile("long.sql", Self.longQuery)
            let arguments = ["--client=8", "--time=60", "--no-vacuum", "--file=\(script)", "postgres"]
            func runAndKill(port: UInt16, name: String) throws {
                let pgbench = try start("pgbench", arguments, port: port, name: name)
                try wait(for: "load") { try running(name) == 8 }
                pgbench.send(SIGKILL)
                #expect(try pgbench.wait() == .signal(SIGKILL))
            }
            try runAndKill(port: postgres.port, name: "long-direct")
            #expect(try holds(for: .seconds(1)) { try running("long-direct") == 8 })
            // The time that the server alone takes, under this load, to end them.
            let floor = try timed { try postgres.terminate("long-direct") }

            try runAndKill(port: pgleash.port, name: "long-leashed")
            let time = try postgres.timeUntilGone("long-leashed")
            print("pgbench with 8 long queries killed: all gone after \([time].summary), at best \([floor].summary)")
            #expect(time < max(.seconds(1), floor * 5))
            let report = try pgleash.waitForReport("8 orphans") { $0.sum("orphans_total") == 8 }
            #expect(report["orphans_total", "cancelled"] == 8)
            pgleash.stop()
        }

        /// Sessions with this name that run a query, without their parallel workers.
        private func running(_ name: String) throws -> Int {
            try postgres.count(
                "application_name = '\(name)' AND state = 'active' AND backend_type = 'client backend'"
            )
        }

        // MARK: pg_dump

        /// The activity of a pg_dump when it is killed.
        enum Moment: String, CaseIterable, CustomTestStringConvertible {
            case copying, waitingForLock

            var testDescription: String { rawValue }
        }

        /// 400 MB to dump, and little on the disk: the values are compressed there.
        private func prepareDump() throws {
            try postgres.query(
                """
                CREATE TABLE IF NOT EXISTS dumped AS
                    SELECT repeat('text', 2000) AS value FROM generate_series(1, 50000)
                """
            )
        }

        private func startDump(_ moment: Moment, port: UInt16, name: String) throws -> ChildProcess {
            let dump = try start("pg_dump", ["--table=dumped", "postgres"], port: port, name: name)
            try wait(for: "\(name)", pause: .milliseconds(1)) {
                let condition = moment == .copying ? "query LIKE 'COPY %'" : "wait_event = 'relation'"
                return try postgres.count("application_name = '\(name)' AND \(condition)") == 1
            }
            return dump
        }

        @Test(arguments: Moment.allCases, [SIGKILL, SIGTERM])
        func `a pg_dump leaves nothing running`(_ moment: Moment, _ signal: Int32) throws {
            try prepareDump()
            let pgleash = try PgleashProcess()
            let holder = try LibpqClient(port: postgres.port, name: "holder")
            if moment == .waitingForLock { try holder.query("BEGIN; LOCK TABLE dumped") }
            let name = "dump-\(moment)-\(signal)"
            let dump = try startDump(moment, port: pgleash.port, name: name)
            dump.send(signal)
            let time = try postgres.timeUntilGone(name)
            print("pg_dump killed while \(moment) by signal \(signal): gone after \([time].summary)")
            #expect(time < .seconds(1))
            // On SIGTERM pg_dump sends its own cancel before it exits.
            #expect(try dump.wait() == (signal == SIGKILL ? .signal(SIGKILL) : .code(1)))
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["client_cancels_relayed_total"] == (signal == SIGKILL ? 0 : 1))
            #expect(report.sum("drops_total") == report.sum("orphans_total"))
            if signal == SIGKILL { #expect(report["orphans_total", "cancelled"] == 1) }
            pgleash.stop()
        }

        @Test func `a pg_dump without pgleash waits on for its lock`() throws {
            try prepareDump()
            let holder = try LibpqClient(port: postgres.port, name: "holder")
            try holder.query("BEGIN; LOCK TABLE dumped")
            let dump = try startDump(.waitingForLock, port: postgres.port, name: "dump-direct")
            dump.send(SIGKILL)
            try dump.wait()
            #expect(try holds(for: .seconds(1)) { try postgres.backends("dump-direct", state: "active") == 1 })
            try postgres.terminate("dump-direct")
        }
    }
}
