// Drivers that send their own cancels, asyncpg and JDBC: their cancels work, and their programs leave no query when
// killed.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `With a driver that cancels by itself` {
        /// A small program: it cancels its own queries, prints the results, and runs a query until it is killed.
        enum Program: String, CaseIterable, CustomTestStringConvertible {
            case asyncpg, jdbc

            var testDescription: String { rawValue }

            /// Its output up to the last query: a line for each cancel and one more.
            var output: String {
                switch self {
                case .asyncpg: "cancelled a task\nalive\n"
                case .jdbc: "timed out 57014\ncancelled 57014\nalive\n"
                }
            }

            func start(port: UInt16, name: String) throws -> ChildProcess {
                switch self {
                case .asyncpg:
                    let url = "postgresql://postgres@127.0.0.1:\(port)/postgres?application_name=\(name)"
                    return try ChildProcess(
                        Programs.debian("python3"), ["\(Programs.sources)/asyncpg_client.py"],
                        environment: ["DATABASE_URL": url]
                    )
                case .jdbc:
                    let url = "jdbc:postgresql://127.0.0.1:\(port)/postgres?user=postgres&ApplicationName=\(name)"
                    return try ChildProcess(
                        Programs.debian("java"), ["-cp", "\(Self.jdbcDriver):\(try Self.classes.get())", "JdbcClient"],
                        environment: ["DATABASE_URL": url]
                    )
                }
            }

            private static let jdbcDriver = "/usr/share/java/postgresql.jar"
            /// The compiler of the package ecj. Debian 13's command ecj fails, as it lacks the second file. Debian 12
            /// has no second file.
            private static let compilerJars =
                "/usr/share/java/eclipse-jdt-core.jar:/usr/share/java/eclipse-jdt-core-compiler-batch.jar"

            /// The folder of the compiled program.
            private static let classes = Result {
                let folder = RunFolder.shared.newFolder("classes")
                let compiler = try ChildProcess.run(
                    Programs.debian("java"),
                    ["-cp", compilerJars, "org.eclipse.jdt.internal.compiler.batch.Main", "-11", "-proc:none"]
                        + ["-cp", jdbcDriver, "-d", folder, "\(Programs.sources)/JdbcClient.java"]
                )
                guard compiler.exit == .code(0) else { throw TimedOut(description: compiler.error) }
                return folder
            }
        }

        private let postgres = PrivatePostgres.shared

        @Test(arguments: Program.allCases)
        func `a program's own cancels work, and when it is killed its query ends`(_ program: Program) throws {
            let pgleash = try PgleashProcess()
            let direct = try program.start(port: postgres.port, name: "\(program)-direct")
            let leashed = try program.start(port: pgleash.port, name: "\(program)-leashed")
            for process in [direct, leashed] {
                try wait(for: "\(program)'s last line", within: .seconds(30)) {
                    process.output == program.output || !process.isRunning
                }
                #expect(process.output == program.output, "\(process.errorOutput)")
            }
            let cancels = program.output.split(separator: "\n").count - 1
            let relayed = try pgleash.waitForReport("the program's cancels") {
                $0["sessions_ended_total", "cancel_relayed"] == cancels
            }
            #expect(relayed["client_cancels_relayed_total"] == cancels)
            #expect(relayed.sum("cancels_sent_total") == 0)
            #expect(relayed.sum("drops_total") == 0)

            for name in ["\(program)-direct", "\(program)-leashed"] {
                try postgres.waitForActive(name, event: "PgSleep")
            }
            direct.send(SIGKILL)
            leashed.send(SIGKILL)
            let time = try postgres.timeUntilGone("\(program)-leashed")
            print("\(program)'s process killed: its query gone after \([time].summary)")
            #expect(time < .seconds(1))
            #expect(try leashed.wait() == .signal(SIGKILL))
            let report = try pgleash.waitForReport("the orphan") { $0.sum("orphans_total") == 1 }
            #expect(report.sum("drops_total") == 1)
            #expect(report["orphans_total", "cancelled"] == 1)
            #expect(report["client_cancels_relayed_total"] == cancels)

            try direct.wait()
            #expect(try holds(for: .seconds(1)) { try postgres.backends("\(program)-direct", state: "active") == 1 })
            try postgres.terminate("\(program)-direct")
            pgleash.stop()
        }
    }
}
