// A database is copied with pg_dump and psql, both through pgleash; the copy must equal the original.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `A database of 100 MB with large objects` {
        private let postgres = PrivatePostgres.shared

        @Test func `is the same when it is copied through pgleash`() throws {
            let pgleash = try PgleashProcess()
            try postgres.query("CREATE DATABASE original")
            try postgres.query("CREATE DATABASE copy")
            try fillOriginal()
            let copying = try shell(
                """
                set -o pipefail
                "$dump" -p \(pgleash.port) original |
                    "$psql" -p \(pgleash.port) --quiet --set=ON_ERROR_STOP=1 --output=/dev/null copy
                """
            )
            #expect(copying.exit == .code(0), "\(copying.error)")
            let original = try hash(of: "original", port: postgres.port)
            #expect(original.bytes > 100_000_000)
            #expect(try hash(of: "copy", port: postgres.port) == original)
            #expect(try hash(of: "copy", port: pgleash.port) == original)

            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["received_bytes_total", "server"] > 2 * original.bytes * 9 / 10)
            #expect(report.sum("drops_total") == 0)
            pgleash.stop()
            try postgres.query("DROP DATABASE original")
            try postgres.query("DROP DATABASE copy")
        }

        /// 20 large objects of half a megabyte, and enough rows.
        private func fillOriginal() throws {
            let client = try LibpqClient(port: postgres.port, database: "original")
            try client.query(
                """
                CREATE TABLE numbers AS
                    SELECT i AS number, md5(i::text) AS hash, i / 7.0 AS fraction FROM generate_series(1, 1500000) i
                """
            )
            try client.query(
                """
                SELECT lo_from_bytea(0, decode(string_agg(md5(n::text || i::text), ''), 'hex'))
                FROM generate_series(1, 20) n, generate_series(1, 32768) i GROUP BY n
                """
            )
            #expect(
                try client.query("SELECT count(*), sum(length(data)) FROM pg_largeobject") == [["5120", "10485760"]])
        }

        private struct Dump: Equatable {
            let hash: String
            let bytes: Int
        }

        /// Hash and size of a dump, without the line with a random word that newer versions of pg_dump write.
        private func hash(of database: String, port: UInt16) throws -> Dump {
            let file = RunFolder.shared.newPath("dump")
            defer { unsafe unlink(file) }
            let run = try shell(
                """
                set -o pipefail
                "$dump" -p \(port) \(database) | sed '/^\\\\\\(un\\)\\?restrict /d' >'\(file)' &&
                    sha256sum <'\(file)' && wc -c <'\(file)'
                """
            )
            #expect(run.exit == .code(0), "\(run.error)")
            let lines = run.output.split(separator: "\n")
            return Dump(hash: String(lines.first ?? ""), bytes: Int(lines.last ?? "") ?? 0)
        }

        private func shell(_ script: String) throws -> (exit: Exit, output: String, error: String) {
            try ChildProcess.run(
                Programs.system("bash"), ["-c", script],
                environment: [
                    "dump": Programs.postgres("pg_dump"), "psql": Programs.postgres("psql"),
                    "PGHOST": "127.0.0.1", "PGUSER": "postgres",
                ],
                within: .seconds(120)
            )
        }
    }
}
