// Replication connections that end while they stream or are idle: no cancel is sent for them.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Replication connections` {
        private let postgres = PrivatePostgres.countingCancels

        /// The activity of a replication connection at its end, and the server's last message before that.
        private struct Duty {
            var database = false
            var command: String?
            var until = BackendKind.readyForQuery
        }

        @Test func `that end, idle or streaming, cause no cancel`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            try postgres.query("SELECT pg_create_logical_replication_slot('never', 'test_decoding')")
            let position = try postgres.value("SELECT pg_current_wal_lsn()")
            let copyBoth = UInt8(ascii: "W")
            let duties = [
                Duty(),
                Duty(database: true),
                Duty(command: "IDENTIFY_SYSTEM"),
                Duty(command: "START_REPLICATION PHYSICAL \(position)", until: copyBoth),
                Duty(database: true, command: "START_REPLICATION SLOT never LOGICAL 0/0", until: copyBoth),
                Duty(database: true, command: "SELECT 1"),
                Duty(command: "BASE_BACKUP", until: UInt8(ascii: "d")),
            ]
            try postgres.expectNoCancel(through: pgleash) {
                for (number, duty) in duties.enumerated() {
                    for farewell in Farewell.allCases {
                        do {
                            try perform(duty, through: pgleash, farewell)
                        } catch {
                            throw TimedOut(description: "duty \(number), \(farewell): \(error)")
                        }
                    }
                }
            }
            let report = try pgleash.report()
            #expect(report["sessions_opened_total"] == duties.count * Farewell.allCases.count + 1)
            try postgres.query("SELECT pg_drop_replication_slot('never')")
            pgleash.stop()
        }

        private func perform(_ duty: Duty, through pgleash: PgleashProcess, _ farewell: Farewell) throws {
            let client = try pgleash.connect(
                name: "standby", parameters: [("replication", duty.database ? "database" : "true")]
            )
            if let command = duty.command {
                try client.send(Frontend.query(command))
                try client.read(until: duty.until)
            }
            if duty.until == UInt8(ascii: "W") {
                // Long enough for the stream to begin.
                try postgres.query("SELECT pg_logical_emit_message(true, 'never', 'a word')")
                try client.read(until: UInt8(ascii: "d"))
            }
            try client.leave(farewell)
            // A slot is free again when its walsender has exited.
            try wait(for: "the end of the walsender") { try postgres.backends("standby") == 0 }
        }

        @Test func `of a base backup and a WAL stream cause no cancel when they are killed`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            let target = ["--host=127.0.0.1", "--port=\(pgleash.port)", "--username=postgres"]
            let folders = (1...2).map { RunFolder.shared.newFolder("killed-\($0)") }
            try postgres.expectNoCancel(through: pgleash) {
                let backup = try ChildProcess(
                    Programs.postgres("pg_basebackup"),
                    target + ["--pgdata=\(folders[0])", "--checkpoint=fast", "--max-rate=1M", "--no-sync"]
                )
                // The backup, and its WAL. A checkpoint of the backup would remove WAL that the other session reads.
                try waitForWalsenders("backup streaming")
                let stream = try ChildProcess(
                    Programs.postgres("pg_receivewal"), target + ["--directory=\(folders[1])", "--no-sync"]
                )
                try waitForWalsenders("backup streaming streaming")
                for program in [backup, stream] {
                    program.kill()
                    #expect(try program.wait() == .signal(SIGKILL))
                }
            }
            for folder in folders { try FileManager.default.removeItem(atPath: folder) }
            pgleash.stop()
        }

        private func waitForWalsenders(_ states: String) throws {
            let query = "SELECT string_agg(state, ' ' ORDER BY state) FROM pg_stat_replication"
            try wait(for: "the walsenders: \(states)") { try postgres.value(query) == states }
        }
    }
}
