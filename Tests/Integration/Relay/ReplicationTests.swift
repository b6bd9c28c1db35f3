// Replication connections: they use the same protocol with other commands. Their streams are never cancelled.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When replication goes through pgleash` {
        private let postgres = PrivatePostgres.shared

        private func target(_ pgleash: PgleashProcess) -> [String] {
            ["--host=127.0.0.1", "--port=\(pgleash.port)", "--username=postgres"]
        }

        @Test func `a base backup is whole`() throws {
            let pgleash = try PgleashProcess()
            let folder = RunFolder.shared.newFolder("backup")
            let backup = try ChildProcess.run(
                Programs.postgres("pg_basebackup"),
                target(pgleash) + ["--pgdata=\(folder)", "--checkpoint=fast", "--wal-method=stream", "--no-sync"],
                within: .seconds(60)
            )
            #expect(backup.exit == .code(0), "\(backup.error)")
            let check = try ChildProcess.run(Programs.postgres("pg_verifybackup"), [folder], within: .seconds(60))
            #expect(check.exit == .code(0), "\(check.error)")
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("cancels_sent_total") == 0)
            pgleash.stop()
            try FileManager.default.removeItem(atPath: folder)
        }

        @Test func `logical decoding sends each change, and its end causes no cancel`() throws {
            let pgleash = try PgleashProcess()
            try postgres.query("CREATE TABLE changes (number int)")
            try postgres.query("SELECT pg_create_logical_replication_slot('through_pgleash', 'test_decoding')")
            let receiver = try ChildProcess(
                Programs.postgres("pg_recvlogical"),
                target(pgleash) + ["--dbname=postgres", "--slot=through_pgleash", "--start", "--file=-"]
            )
            try postgres.query("INSERT INTO changes SELECT generate_series(1, 1000)")
            try wait(for: "the last change") { receiver.output.contains("INSERT: number[integer]:1000\n") }
            let inserts = receiver.output.split(separator: "\n").filter { $0.contains("public.changes: INSERT") }
            #expect(inserts.count == 1000)
            #expect(try postgres.backends("pg_recvlogical") == 1)

            receiver.send(SIGKILL)
            #expect(try postgres.timeUntilGone("pg_recvlogical") < .seconds(2))
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report.sum("drops_total") == 0)
            try postgres.query("SELECT pg_drop_replication_slot('through_pgleash')")
            pgleash.stop()
        }

        @Test func `pg_receivewal writes what the server logs`() throws {
            let pgleash = try PgleashProcess()
            let folder = RunFolder.shared.newFolder("wal")
            let receiver = try ChildProcess(
                Programs.postgres("pg_receivewal"), target(pgleash) + ["--directory=\(folder)", "--no-sync"]
            )
            // Before it streams, it has not requested a start position.
            let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
            try wait(for: "the stream") { try postgres.value(streaming) == "1" }
            try postgres.query("CREATE TABLE wal_filler AS SELECT generate_series(1, 10)")
            let segment = try postgres.value("SELECT pg_walfile_name(pg_current_wal_lsn())")
            try postgres.query("SELECT pg_switch_wal()")
            try wait(for: "the segment \(segment)") { FileManager.default.fileExists(atPath: "\(folder)/\(segment)") }
            receiver.send(SIGINT)
            #expect(try receiver.wait() == .code(0))
            pgleash.stop()
            try FileManager.default.removeItem(atPath: folder)
        }

        @Test(arguments: ["SELECT pg_sleep(60)", "CREATE_REPLICATION_SLOT waits TEMPORARY LOGICAL test_decoding"])
        func `what a replication connection runs is cancelled when its client leaves`(_ command: String) throws {
            let pgleash = try PgleashProcess()
            // The creation of a slot waits for its transaction.
            let transaction = try pgleash.connect(name: "open")
            try transaction.send(Frontend.query("BEGIN; SELECT pg_current_xact_id()"))
            try transaction.read(until: BackendKind.readyForQuery)
            let client = try pgleash.connect(name: "walsender", parameters: [("replication", "database")])
            try client.send(Frontend.query(command))
            try wait(for: "the command") { try postgres.backends("walsender", state: "active") == 1 }
            try client.leave(.fin)
            #expect(try postgres.timeUntilGone("walsender") < .seconds(1))
            let report = try pgleash.waitForReport("the outcome") { $0["orphans_total", "cancelled"] == 1 }
            #expect(report.sum("cancels_sent_total") >= 1)
            try transaction.leave(.fin)
            pgleash.stop()
        }
    }
}
