// The requests of a client before it left: the first ones run, or all, or none, as without pgleash, but never a request
// whose predecessor was cancelled. Drivers put statements that begin a transaction, or end another user's session,
// before a command.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite(.tags(.toleratesStrayCancels)) struct `Of what a client sent before it went` {
        private let postgres = PrivatePostgres.shared
        private static let name = "prefix"
        /// The time in which the server begins a request of a client on this machine.
        private static let stay = Duration.microseconds(600)

        /// The statements that Npgsql puts before the first command of a transaction.
        private static let begin = Frontend.query("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED")

        @Test(arguments: ServerLoad.allCases)
        func `no row of a transaction is there whose COMMIT was never sent`(_ load: ServerLoad) throws {
            try postgres.query("DROP TABLE IF EXISTS begun; CREATE TABLE begun (client int)")
            let count = DropCount.of(load == .idle ? 400 : 80)
            try expectNoRow(of: count, load, selecting: "SELECT client FROM begun", sessions: Self.mostlyNew) {
                Self.begin + $0.request("INSERT INTO begun VALUES (\($1))")
            }
        }

        /// The first statement of a new session takes longest.
        private static let mostlyNew = [HastyClient.Session.new, .new, .oneSend, .used]

        private static let setTenant = "SET app.tenant = 'A'"
        private static let rowsOfTenant = "SELECT client FROM kept WHERE tenant = 'A'"

        private func createKept() throws {
            try postgres.query("DROP TABLE IF EXISTS kept; CREATE TABLE kept (client int, tenant text)")
        }

        /// The statements that Npgsql puts before the first command of another user, and such a command.
        @Sendable private static func nextUser(_ client: HastyClient, _ number: Int) -> [UInt8] {
            Frontend.query("DISCARD ALL")
                + client.request("INSERT INTO kept VALUES (\(number), current_setting('app.tenant', true))")
        }

        @Test(arguments: ServerLoad.allCases)
        func `no row is there that was written with the settings of the session's last user`(
            _ load: ServerLoad
        ) throws {
            try createKept()
            try expectNoRow(
                of: DropCount.of(load == .idle ? 400 : 80), load, selecting: Self.rowsOfTenant,
                past: Self.setTenant, Self.nextUser
            )
        }

        @Test func `no such row is there where that user has left much to discard`() throws {
            try createKept()
            // The first cancel arrives within tens of milliseconds.
            let createTables = """
                DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE 'CREATE TEMP TABLE t' || i || ' ()'; END LOOP; END $$
                """
            try expectNoRow(
                of: DropCount.of(6, share: 0.01), .idle, selecting: Self.rowsOfTenant,
                past: "\(Self.setTenant); \(createTables)", Self.nextUser
            )
        }

        @Test(arguments: ServerLoad.allCases)
        func `what comes after a COMMIT that takes long is not there without what it commits`(
            _ load: ServerLoad
        ) throws {
            try postgres.query("DROP TABLE IF EXISTS checked, later")
            try postgres.query("CREATE TABLE checked (client int); CREATE TABLE later (client int)")
            try postgres.query(
                """
                CREATE OR REPLACE FUNCTION check_slowly() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END';
                CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON checked DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION check_slowly()
                """
            )
            try expectNoRow(
                of: DropCount.of(load == .idle ? 80 : 20, share: 0.02), load,
                selecting: "SELECT client FROM later WHERE client NOT IN (SELECT client FROM checked)", past: "BEGIN"
            ) {
                $0.request("INSERT INTO checked VALUES (\($1))") + $0.request("COMMIT")
                    + $0.request("INSERT INTO later VALUES (\($1))")
            }
        }

        /// Lets clients leave right after these requests, and expects that the query then finds no violation.
        ///
        /// - Parameter past: the earlier requests of used sessions.
        private func expectNoRow(
            of count: Int, _ load: ServerLoad, selecting query: String, sessions: [HastyClient.Session] = [.used],
            past: String = "SELECT 1", sourceLocation: SourceLocation = #_sourceLocation,
            _ requests: @escaping @Sendable (HastyClient, Int) -> [UInt8]
        ) throws {
            let pgleash = try PgleashProcess()
            let port = pgleash.port
            try load.during(on: postgres) {
                try HastyClient.send(count, threads: 1, name: Self.name, through: pgleash, to: postgres) { number in
                    let client = HastyClient(number: number, sessions: sessions)
                    try client.visit(
                        port: port, name: Self.name, past: Frontend.query(past), requests: requests(client, number),
                        stay: Self.stay
                    )
                }
            }
            let found = try postgres.query(query).compactMap { $0.first.flatMap { Int($0) } }
            let ways = Dictionary(grouping: found) { "\(HastyClient(number: $0, sessions: sessions))" }
                .map { "\($0.value.count) of \($0.key)" }.sorted().joined(separator: "; ")
            let report = try pgleash.report()
            print(
                "\(count) clients gone at once, \(load.rawValue): \(found.count) rows that must not be [\(ways)], "
                    + "\(report.sum("drops_total")) drops, \(report.sum("cancels_sent_total")) cancels"
            )
            #expect(found.isEmpty, sourceLocation: sourceLocation)
            // Most clients must have left with outstanding requests; otherwise the test is void.
            #expect(report.sum("drops_total") >= count / 4, sourceLocation: sourceLocation)
            pgleash.stop()
        }
    }
}
