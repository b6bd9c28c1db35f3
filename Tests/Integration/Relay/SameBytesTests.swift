// The same conversation with the server itself and through pgleash, which must result in the same bytes, wherever the
// client's are split.

import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A conversation that is cut anywhere` {
        private let postgres = PrivatePostgres.shared

        /// The client's messages, and the end of the server's replies.
        struct Conversation: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let parts: [[UInt8]]
            let readyCount: Int
            var bytes: [UInt8] { parts.flatMap { $0 } }
        }

        /// All kinds of messages at once; the server replies to them one after the other, then to Terminate.
        private static let everything = Conversation(
            testDescription: "everything",
            parts: [
                Frontend.startup(name: "same"),
                Frontend.query("SELECT 1, NULL, 'text'"),
                Frontend.query("SELECT 1 / 0"),
                Frontend.query(""),
                Frontend.query("BEGIN; CREATE TEMP TABLE t (n int) ON COMMIT DROP"),
                Frontend.query("COPY t FROM STDIN"), Frontend.copyData("1\n2\n"), Frontend.copyData("3\n"),
                Frontend.copyDone,
                Frontend.query("COPY t TO STDOUT"),
                Frontend.query("SAVEPOINT s"),
                Frontend.query("COPY t FROM STDIN"), Frontend.copyData("x\n"), Frontend.copyDone,
                Frontend.query("ROLLBACK TO s"),
                Frontend.query("COPY t FROM STDIN"), Frontend.copyFail("no"),
                Frontend.query("ROLLBACK"),
                Frontend.parse("SELECT $1::int FROM generate_series(1, 3)", statement: "p"),
                Frontend.bind(statement: "p", ["7"]), Frontend.describe(), Frontend.execute(rows: 2), Frontend.flush,
                Frontend.execute(), Frontend.sync,
                Frontend.extended("SELECT 1 / 0"), Frontend.query("SELECT 'skipped'"), Frontend.sync,
                Frontend.extended("SELECT 'next'"), Frontend.sync, Frontend.closeStatement("p"), Frontend.sync,
                Frontend.functionCall(1598, []),  // random(), whose 8 bytes are the noise that is masked
                Frontend.functionCall(177, [int32(40), int32(2)]),  // int4pl
                Frontend.functionCall(1, []),
                Frontend.query("DO $$ BEGIN RAISE NOTICE 'look'; END $$; SET application_name = 'other'"),
                Frontend.terminate,
            ],
            readyCount: 20
        )

        /// A conversation the server ends with a FATAL error.
        private static let refused = Conversation(
            testDescription: "refused", parts: [Frontend.startup(database: "no such database", name: "same")],
            readyCount: 0
        )

        /// The reply, message by message, without the parts that differ between sessions.
        private func answers(port: UInt16, to pieces: [ArraySlice<UInt8>]) throws -> [Message] {
            let client = try RawClient(port: port)
            for piece in pieces {
                try client.send(Array(piece))
                // Each piece is received separately.
                if pieces.count > 1 { try wait(for: "the receipt", pause: .zero) { try client.peerHasReadAll() } }
            }
            let bytes = try client.readToEnd()
            return masked(try messages(bytes))
        }

        private func messages(_ bytes: [UInt8]) throws -> [Message] {
            var messages: [Message] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
                guard rest.count > length, length >= 4 else { throw RawClientError.endOfStream }
                messages.append(Message(kind: rest[rest.startIndex], body: Array(rest.dropFirst(5).prefix(length - 4))))
                rest = rest.dropFirst(1 + length)
            }
            return messages
        }

        private func masked(_ messages: [Message]) -> [Message] {
            messages.map { message in
                let isNoise =
                    message.kind == UInt8(ascii: "K") || (message.kind == UInt8(ascii: "V") && message.body.count == 12)
                return isNoise ? Message(kind: message.kind, body: [UInt8(message.body.count)]) : message
            }
        }

        @Test(arguments: [everything, refused])
        func `gives the same bytes through pgleash`(_ conversation: Conversation) throws {
            let pgleash = try PgleashProcess()
            let (parts, bytes) = (conversation.parts, conversation.bytes)
            let expected = try answers(port: postgres.port, to: [bytes[...]])
            #expect(expected.count { $0.kind == UInt8(ascii: "Z") } == conversation.readyCount)
            #expect(try answers(port: pgleash.port, to: [bytes[...]]) == expected)
            #expect(try answers(port: pgleash.port, to: parts.map { $0[...] }) == expected)
            #expect(try answers(port: pgleash.port, to: bytes.indices.map { bytes[$0...$0] }) == expected)
            for cut in 1..<bytes.count {
                let pieces = [bytes[..<cut], bytes[cut...]]
                try #require(
                    try answers(port: pgleash.port, to: pieces) == expected, "\(cut)")
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["received_bytes_total", "client"] == bytes.count * (bytes.count + 2))
            #expect(report.sum("protocol_errors_total") == 0)
            #expect(report.sum("drops_total") == 0)
            pgleash.stop()
        }
    }
}
