// Pipelines: a client sends several requests without waiting for replies, each with its own ReadyForQuery, and leaves
// at any moment.

import Foundation
import PostgresProtocol
import Testing

extension IntegrationTests {
    @Suite(.tags(.toleratesStrayCancels)) struct `In a pipeline` {
        private let postgres = PrivatePostgres.shared
        private static let name = "pipeline"
        /// The duration of the slow statement in milliseconds: none, little, and more than the time before its cancel.
        private static let slownesses = [0, 2, 20, 120]

        private static func slowness(of client: Int) -> Int { slownesses[client / 4 % slownesses.count] }

        private static func slowInsert(into table: String, _ client: Int) -> String {
            "INSERT INTO \(table) SELECT \(client) FROM pg_sleep(\(slowness(of: client)) * 0.001)"
        }

        private func createTables() throws {
            try postgres.query("DROP TABLE IF EXISTS one, other")
            try postgres.query("CREATE TABLE one (client int); CREATE TABLE other (client int)")
        }

        /// Lets clients send the statements, each in its own message, and leave before, during or after the slow one.
        private func pipe(
            _ count: Int, threads: Int = 8, through pgleash: PgleashProcess,
            _ statements: @escaping @Sendable (Int) -> [String]
        ) throws {
            let port = pgleash.port
            try HastyClient.send(count, threads: threads, name: Self.name, through: pgleash, to: postgres) { number in
                let client = HastyClient(number: number, sessions: [.used])
                try client.visit(
                    port: port, name: Self.name, requests: statements(number).flatMap(client.request),
                    stay: .milliseconds(Self.slowness(of: number) + 4)
                )
            }
        }

        @Test(arguments: ServerLoad.allCases)
        func `no transaction is committed in half`(_ load: ServerLoad) throws {
            try createTables()
            let pgleash = try PgleashProcess()
            let count = DropCount.of(load == .idle ? 300 : 60, share: 0.25)
            try load.during(on: postgres) {
                try pipe(count, through: pgleash) { client in
                    let insert = "INSERT INTO one VALUES (\(client))"
                    return ["BEGIN", insert, Self.slowInsert(into: "other", client), "COMMIT"]
                }
            }
            let half = try postgres.query(
                """
                SELECT coalesce(one.client, other.client) FROM one FULL JOIN other USING (client)
                WHERE one.client IS NULL OR other.client IS NULL
                """
            )
            let whole = try postgres.value("SELECT count(*) FROM one JOIN other USING (client)")
            let report = try pgleash.report()
            print(
                "\(count) pipelines of a transaction left, \(load.rawValue): \(whole) committed, "
                    + "\(half.count) in half, \(report.sum("drops_total")) drops, "
                    + "\(report.sum("cancels_sent_total")) cancels"
            )
            #expect(half.isEmpty)
            #expect(report.sum("drops_total") >= count / 8)
            pgleash.stop()
        }

        @Test(arguments: ServerLoad.allCases)
        func `no statement runs outside of the transaction it was sent in`(_ load: ServerLoad) throws {
            try createTables()
            let pgleash = try PgleashProcess()
            let count = DropCount.of(load == .idle ? 40 : 30, share: 0.01)
            try load.during(on: postgres) {
                try pipe(count, threads: 1, through: pgleash) { client in
                    let transaction = ["BEGIN", "INSERT INTO one VALUES (\(client))", "ROLLBACK"]
                    return ["SELECT pg_sleep(0.02)"] + (1...300).flatMap { _ in transaction }
                }
            }
            let rows = try postgres.query("SELECT client FROM one").count
            let report = try pgleash.report()
            print(
                "\(count) pipelines of 300 transactions that end in ROLLBACK left, \(load.rawValue): "
                    + "\(rows) rows, \(report.sum("drops_total")) drops, \(report.sum("cancels_sent_total")) cancels"
            )
            #expect(rows == 0)
            #expect(report.sum("drops_total") >= count / 2)
            pgleash.stop()
        }

        // On the wire the error of a cancelled statement is like any other, and in a pipeline of independent statements
        // the server continues after it. So the remaining work is measured, and the only expectation is that it ends.
        @Test(arguments: ServerLoad.allCases)
        func `two statements for themselves end, and what is left of them is counted`(
            _ load: ServerLoad
        ) throws {
            try createTables()
            let pgleash = try PgleashProcess()
            let count = DropCount.of(load == .idle ? 120 : 40, share: 0.05)
            try load.during(on: postgres) {
                try pipe(count, through: pgleash) { client in
                    [Self.slowInsert(into: "one", client), "INSERT INTO other VALUES (\(client))"]
                }
            }
            func rows(_ condition: String) throws -> String {
                try postgres.value("SELECT count(*) FROM one FULL JOIN other USING (client) WHERE \(condition)")
            }
            let both = try rows("one.client = other.client")
            let first = try rows("other.client IS NULL")
            let second = try rows("one.client IS NULL")
            print(
                "\(count) pipelines of two statements left, \(load.rawValue): \(both) ran as a whole, "
                    + "\(first) the first statement alone, \(second) the second alone"
            )
            let report = try pgleash.report()
            #expect(report["orphans_active"] == 0)
            #expect(report["orphans_total", "gave_up"] == 0)
            pgleash.stop()
        }
    }
}
