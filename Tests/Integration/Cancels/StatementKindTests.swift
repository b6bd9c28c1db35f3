// Statements that control transactions or the session, which are not cancelled: they end by themselves, and the
// statements after them depend on them. And the outcome of an orphan, which follows from the server's replies.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `By the kind of a statement` {
        private let postgres = PrivatePostgres.shared

        private static let controls = [
            "BEGIN", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT s", "RELEASE s",
            "PREPARE TRANSACTION 't'", "COMMIT PREPARED 't'", "ROLLBACK PREPARED 't'", "SET work_mem = '5MB'",
            "RESET work_mem", "DISCARD ALL", "LISTEN news", "UNLISTEN *", "DEALLOCATE ALL",
        ]

        @Test func `a client that goes causes no cancel where it is one of control`() throws {
            let pgleash = try PgleashProcess()
            let (port, name) = (pgleash.port, "in control")
            let count = DropCount.of(17 * 60, share: 0.25)
            try HastyClient.send(count, name: name, through: pgleash, to: postgres) { number in
                let client = HastyClient(number: number / Self.controls.count)
                let request = client.request(Self.controls[number % Self.controls.count])
                // Half of those that can be are in a transaction.
                let past = Frontend.query(number.isMultiple(of: 2) ? "BEGIN; SAVEPOINT s" : "SELECT 1")
                try client.visit(port: port, name: name, past: past, requests: request, stay: .microseconds(200))
            }
            let report = try pgleash.report()
            print(
                "\(count) clients gone after a statement of control: \(report.sum("drops_total")) drops, "
                    + "\(report.sum("cancels_sent_total")) cancels"
            )
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report["orphans_total", "finished"] == report.sum("drops_total"))
            #expect(report.sum("drops_total") >= count / 8)
            pgleash.stop()
        }

        private static let sleep = "SELECT pg_sleep(600)"
        /// A statement with a name that stood for another one before.
        private static let replaced =
            Frontend.parse("COMMIT", statement: "s") + Frontend.closeStatement("s")
            + Frontend.parse(sleep, statement: "s") + Frontend.bind(statement: "s") + Frontend.execute() + Frontend.sync

        @Test(
            arguments: [
                ("begin in the string", Frontend.query("BEGIN; \(sleep)")),
                ("commit in the string", Frontend.query("COMMIT; \(sleep)")),
                ("set in the string", Frontend.query("/* ; */ SET work_mem = '5MB'; \(sleep)")),
                ("comment", Frontend.query("-- COMMIT\n\(sleep)")),
                ("replaced", replaced),
            ])
        func `a query that only looks like one of control is cancelled at once`(name: String, bytes: [UInt8]) throws {
            let pgleash = try PgleashProcess()
            var times: [Duration] = []
            for _ in 1...5 {
                try pgleash.connectBusy(name: name, bytes: bytes).close()
                times.append(try postgres.timeUntilGone(name))
            }
            print("\(name): gone after \(times.summary)")
            #expect(times.sorted()[2] < .milliseconds(100))
            #expect(
                try pgleash.waitForReport("no orphan") { $0["orphans_active"] == 0 }["orphans_total", "cancelled"] == 5)
            pgleash.stop()
        }

        private static let catching = """
            DO $$ BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END $$
            """

        @Test(arguments: [(sleep, "cancelled"), (catching, "finished")], [false, true])
        func `an orphan was cancelled where the server says so, else it finished`(
            _ orphan: (sql: String, outcome: String), isExtended: Bool
        ) throws {
            let pgleash = try PgleashProcess()
            let bytes = isExtended ? Frontend.extended(orphan.sql) + Frontend.sync : Frontend.query(orphan.sql)
            try pgleash.connectBusy(name: orphan.outcome, bytes: bytes).close()
            let line = try pgleash.reapedLine(orphan.outcome)
            #expect(line["outcome"] == orphan.outcome)
            #expect(Int(line["attempts"] ?? "").map { $0 > 0 } == true)
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["orphans_total", orphan.outcome] == 1)
            #expect(report.sum("orphans_total") == 1)
            pgleash.stop()
        }
    }
}
