// Messages longer than any buffer, which pass without increasing pgleash's memory.

import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Longer than any buffer` {
        private static let growth = 20 * 1024  // KiB

        /// A client that waits for as long as a busy machine takes to produce 1 GB.
        private func connect(_ pgleash: PgleashProcess) throws -> RawClient {
            let client = try RawClient(port: pgleash.port, timeout: 120)
            try client.startUp(name: "giant")
            return client
        }

        @Test func `a row of 1 GB arrives to the byte, and pgleash stays small`() throws {
            let pgleash = try PgleashProcess()
            let client = try connect(pgleash)
            let before = pgleash.memory("VmHWM")
            #expect(before > 0)
            let length = 1_000_000_000
            let time = try timed {
                try client.send(Frontend.query("SELECT repeat('x', \(length))"))
                #expect(try client.readMessage().kind == UInt8(ascii: "T"))
                let header = try client.readHeader()
                #expect(header.kind == UInt8(ascii: "D"))
                // The number of columns, and the length of the only one.
                #expect(header.length == length + 6)
                try client.skipBytes(header.length)
                #expect(try client.readMessage() == Message(kind: UInt8(ascii: "C"), body: Array("SELECT 1\0".utf8)))
                #expect(try client.readMessage() == Message(kind: UInt8(ascii: "Z"), body: Array("I".utf8)))
            }
            let after = pgleash.memory("VmHWM")
            print("a row of 1 GB: \([time].summary); VmHWM grew by \(after - before) KiB")
            #expect(after - before < Self.growth)
            #expect(try pgleash.report()["received_bytes_total", "server"] > length)
            pgleash.stop()
        }

        @Test func `a query of 256 MB arrives to the byte, and pgleash stays small`() throws {
            let pgleash = try PgleashProcess()
            let client = try connect(pgleash)
            let before = pgleash.memory("VmHWM")
            let length = 256 * 1024 * 1024
            let text = "SELECT length('\(String(repeating: "x", count: length))')"
            try client.send(Frontend.query(text))
            let answer = try client.read(until: UInt8(ascii: "Z"))
            #expect(answer.map(\.kind) == Array("TDCZ".utf8))
            #expect(String(decoding: answer[1].body.dropFirst(6), as: UTF8.self) == "\(length)")
            #expect(pgleash.memory("VmHWM") - before < Self.growth)
            pgleash.stop()
        }
    }
}
