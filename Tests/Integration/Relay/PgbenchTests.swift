// pgbench through pgleash, in each of its protocol modes.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `pgbench with 32 clients` {
        private let postgres = PrivatePostgres.shared

        /// The duration of each run in seconds.
        private static let seconds =
            ProcessInfo.processInfo.environment["PGLEASH_PGBENCH_SECONDS"].flatMap { Int($0) } ?? 30

        @Test func `sees no error, whatever the protocol mode`() throws {
            let pgleash = try PgleashProcess()
            try postgres.query("CREATE DATABASE pgbench")
            let target = ["-h", "127.0.0.1", "-p", "\(pgleash.port)", "-U", "postgres", "pgbench"]
            let prepared = try ChildProcess.run(
                Programs.postgres("pgbench"), ["--initialize", "--scale=10", "--quiet"] + target, within: .seconds(120)
            )
            #expect(prepared.exit == .code(0), "\(prepared.error)")
            for mode in ["simple", "extended", "prepared"] {
                let run = try ChildProcess.run(
                    Programs.postgres("pgbench"),
                    ["--client=32", "--jobs=2", "--time=\(Self.seconds)", "--protocol=\(mode)"] + target,
                    within: .seconds(Self.seconds + 60)
                )
                #expect(run.exit == .code(0), "\(run.error)")
                #expect(run.output.contains("number of failed transactions: 0 (0.000%)"), "\(run.output)")
                #expect(!(run.output + run.error).contains("abort"), "\(run.error)")
                #expect(!run.error.contains("error"), "\(run.error)")
                let count = number(behind: "number of transactions actually processed: ", in: run.output)
                #expect(count.map { $0 > 32 } == true)
                print("pgbench in mode \(mode): \(count ?? 0) transactions in \(Self.seconds) s")
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["sessions_busy"] == 0)
            #expect(report["sessions_opened_total"] >= 3 * 32)
            #expect(report.sum("drops_total") == 0)
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report.sum("protocol_errors_total") == 0)
            pgleash.stop()
        }

        private func number(behind text: String, in output: String) -> Int? {
            guard let range = output.range(of: text) else { return nil }
            return Int(output[range.upperBound...].prefix { $0.isNumber })
        }
    }
}
