// A slow COMMIT whose client leaves meanwhile: it is never cancelled, however it was sent.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A COMMIT` {
        private let postgres: PrivatePostgres

        /// The COMMIT of a transaction with an insert into `late` takes half a second.
        init() throws {
            postgres = try PrivatePostgres()
            for statement in [
                "CREATE TABLE late (client text)",
                """
                CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END'
                """,
                """
                CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION wait()
                """,
            ] { try postgres.query(statement) }
        }

        /// A way to send a COMMIT: the messages before the transaction, in it, and at its end.
        private struct Form {
            let name: String
            var before: [[UInt8]] = []
            var within: [[UInt8]] = []
            let commit: [UInt8]
        }

        private static let prepare = Frontend.parse("COMMIT", statement: "c") + Frontend.sync
        private static let run = Frontend.bind(statement: "c") + Frontend.execute() + Frontend.sync
        private static let forms = [
            Form(name: "query", commit: Frontend.query("COMMIT")),
            Form(name: "comment that a carriage return ends", commit: Frontend.query("-- x\rCOMMIT")),
            Form(name: "prepared", before: [prepare], commit: run),
            Form(
                name: "prepared again under its name, which is refused",
                before: [prepare, Frontend.parse("SELECT 1", statement: "c") + Frontend.sync], commit: run
            ),
            Form(
                name: "prepared after 64 that are closed",
                before: (0..<64).map {
                    Frontend.parse("COMMIT", statement: "s\($0)") + Frontend.closeStatement("s\($0)") + Frontend.sync
                } + [prepare], commit: run
            ),
            Form(
                name: "bound in an earlier batch", before: [prepare],
                within: [Frontend.bind(statement: "c", portal: "p") + Frontend.sync],
                commit: Frontend.execute(portal: "p") + Frontend.sync
            ),
        ]

        @Test func `is not cancelled, however it was sent`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            for form in Self.forms {
                let client = try pgleash.connect(name: form.name)
                let begin = [Frontend.query("BEGIN"), Frontend.query("INSERT INTO late VALUES ('\(form.name)')")]
                for bytes in form.before + begin + form.within {
                    try client.send(bytes)
                    try client.read(until: BackendKind.readyForQuery)
                }
                try client.send(form.commit)
                try postgres.waitForActive(form.name, event: "PgSleep")
                client.close()
                try wait(for: "the row of \(form.name)") {
                    try postgres.value("SELECT count(*) FROM late WHERE client = '\(form.name)'") == "1"
                }
            }
            pgleash.stop()
        }
    }
}
