// The features of libpq through pgleash: each test requests something with a known result.

import CLibpq
import Foundation
import Testing

extension IntegrationTests {
    @Suite final class `Through pgleash libpq has` {
        private let pgleash: PgleashProcess
        private let client: LibpqClient

        init() throws {
            pgleash = try PgleashProcess()
            client = try LibpqClient(port: pgleash.port)
        }

        @Test func `simple queries, several in one, and their errors`() throws {
            #expect(try client.query("SELECT 1 + 1, 'a' || 'b', NULL") == [["2", "ab", ""]])
            #expect(try client.query("SELECT 1; SELECT 2; SELECT 3") == [["3"]])
            #expect(try client.query("") == [])
            #expect(throws: LibpqError.self) { try client.query("SELECT 1 / 0") }
            #expect(try client.query("SELECT count(*) FROM generate_series(1, 100000)") == [["100000"]])
        }

        @Test func `extended queries and prepared statements`() throws {
            #expect(try client.query("SELECT $1::int * $2::int", ["6", "7"]) == [["42"]])
            #expect(try client.query("SELECT $1::text IS NULL", [nil]) == [["t"]])
            unsafe PQclear(PQprepare(client.connection, "double", "SELECT $1::int * 2", 1, nil))
            for number in 1...50 {
                let sent = unsafe client.withParameters(["\(number)"]) {
                    unsafe PQsendQueryPrepared(client.connection, "double", 1, $0, nil, nil, 0)
                }
                #expect(sent == 1)
                #expect(try client.results().map(\.rows) == [[["\(2 * number)"]]])
            }
            #expect(throws: LibpqError.self) { try client.query("SELECT $1::int", ["no number"]) }
            #expect(try client.query("SELECT $1::int", ["1"]) == [["1"]])
        }

        @Test func `rows one at a time, and a cursor`() throws {
            try client.send("SELECT generate_series(1, 1000)")
            unsafe PQsetSingleRowMode(client.connection)
            let results = try client.results()
            #expect(results.count == 1001)
            #expect(results.dropLast().map(\.rows) == (1...1000).map { [["\($0)"]] })
            try client.query("BEGIN; DECLARE numbers CURSOR FOR SELECT generate_series(1, 10)")
            #expect(try client.query("FETCH 3 FROM numbers") == [["1"], ["2"], ["3"]])
            #expect(try client.query("MOVE 5 FROM numbers; FETCH ALL FROM numbers") == [["9"], ["10"]])
            try client.query("COMMIT")
        }

        @Test func `COPY in, COPY out, and a COPY that fails`() throws {
            try client.query("CREATE TEMP TABLE numbers (number int, text text)")
            let lines = (1...20_000).map { "\($0)\tline \($0)\n" }
            #expect(try copyIn(lines).last?.status == PGRES_COMMAND_OK)
            #expect(try copyOut("COPY numbers TO STDOUT") == lines)
            #expect(try copyIn(["1\tgood\n", "not a number\tbad\n"]).last?.sqlState == "22P02")
            #expect(try copyIn(["1\tgood\n"], failure: "changed my mind").last?.sqlState == "57014")
            #expect(try client.query("SELECT count(*) FROM numbers") == [["20000"]])
        }

        private func copyIn(_ lines: [String], failure: String? = nil) throws -> [LibpqResult] {
            #expect(unsafe PQsendQuery(client.connection, "COPY numbers FROM STDIN") == 1)
            #expect(try client.nextResult()?.status == PGRES_COPY_IN)
            for line in lines { unsafe PQputCopyData(client.connection, line, Int32(line.utf8.count)) }
            unsafe PQputCopyEnd(client.connection, failure)
            return try client.results()
        }

        private func copyOut(_ sql: String) throws -> [String] {
            #expect(unsafe PQsendQuery(client.connection, sql) == 1)
            #expect(try client.nextResult()?.status == PGRES_COPY_OUT)
            var lines: [String] = []
            var row: UnsafeMutablePointer<CChar>?
            while unsafe PQgetCopyData(client.connection, &row, 0) > 0, let text = unsafe row {
                unsafe lines.append(String(cString: text))
                unsafe PQfreemem(text)
            }
            #expect(try client.results().map(\.status) == [PGRES_COMMAND_OK])
            return lines
        }

        @Test func `notifications in an idle session`() throws {
            try client.query("LISTEN news")
            let other = try LibpqClient(port: pgleash.port)
            try other.query("NOTIFY news, 'it works'")
            let notice = try wait(for: "the notification") { () -> (String, Int32)? in
                unsafe PQconsumeInput(client.connection)
                guard let notification = unsafe PQnotifies(client.connection) else { return nil }
                defer { unsafe PQfreemem(notification) }
                return unsafe (String(cString: notification.pointee.extra), notification.pointee.be_pid)
            }
            #expect(notice == ("it works", other.backendPID))
        }

        @Test func `large objects, which are function calls`() throws {
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) }
            try client.query("BEGIN")
            let object = unsafe lo_create(client.connection, 0)
            #expect(object != 0)
            let descriptor = unsafe lo_open(client.connection, object, 0x20000 | 0x40000)
            let written = unsafe bytes.withUnsafeBytes {
                unsafe lo_write(client.connection, descriptor, $0.bindMemory(to: CChar.self).baseAddress, bytes.count)
            }
            #expect(written == 300_000)
            #expect(unsafe lo_lseek64(client.connection, descriptor, 100, SEEK_SET) == 100)
            var read = [CChar](repeating: 0, count: 300_000)
            #expect(unsafe lo_read(client.connection, descriptor, &read, read.count) == 299_900)
            #expect(read.dropLast(100).map(UInt8.init(bitPattern:)) == Array(bytes[100...]))
            #expect(unsafe lo_close(client.connection, descriptor) == 0)
            #expect(unsafe lo_unlink(client.connection, object) == 1)
            try client.query("COMMIT")
        }

        @Test func `a pipeline that goes on after the Sync of an error in it`() throws {
            #expect(unsafe PQenterPipelineMode(client.connection) == 1)
            for sql in ["SELECT 1", "SELECT 1 / 0", "SELECT 2"] { try client.send(sql) }
            #expect(unsafe PQpipelineSync(client.connection) == 1)
            try client.send("SELECT 3")
            #expect(unsafe PQpipelineSync(client.connection) == 1)
            var statuses: [ExecStatusType] = []
            // A nil is between the results; each Sync is a result, too.
            while statuses.count(where: { $0 == PGRES_PIPELINE_SYNC }) < 2 {
                if let result = try client.nextResult() { statuses.append(result.status) }
            }
            #expect(
                statuses == [
                    PGRES_TUPLES_OK, PGRES_FATAL_ERROR, PGRES_PIPELINE_ABORTED, PGRES_PIPELINE_SYNC,
                    PGRES_TUPLES_OK, PGRES_PIPELINE_SYNC,
                ]
            )
            #expect(unsafe PQexitPipelineMode(client.connection) == 1)
            #expect(try client.query("SELECT 'after'") == [["after"]])
            #expect(try pgleash.report()["sessions_busy"] == 0)
        }

        @Test func `the reason why the server ends a session`() throws {
            let raw = try pgleash.connect(name: "ended")
            try PrivatePostgres.shared.query("SELECT pg_terminate_backend(\(raw.backendPID))")
            #expect(try raw.readMessage().field("C") == "57P01")
            #expect(try raw.readToEnd() == [])
            raw.close()
            let report = try pgleash.waitForReport("the end") { $0["sessions_ended_total", "server_closed"] == 1 }
            #expect(report.sum("drops_total") == 0)
        }
    }
}
