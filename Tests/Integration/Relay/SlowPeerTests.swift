// Peers that take few bytes at a time: bytes that are not sent at once must be sent later, complete and in order.

import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Slow peers` {
        /// 8 MB of messages of which no two parts are equal.
        private static let bytes: [UInt8] = (0..<80_000).flatMap { number in
            message("d", int32(number) + (0..<100).map { UInt8(truncatingIfNeeded: number &+ $0) })
        }

        /// A session with a server of the test, both ends with the smallest receive buffers.
        private func session(_ pgleash: PgleashProcess, _ server: FakeServer) throws -> (RawClient, RawClient) {
            let client = try RawClient(port: pgleash.port, receiveBuffer: 4096)
            try client.send(Frontend.startup(name: "slow"))
            let accepted = try server.acceptSession()
            try client.read(until: BackendKind.readyForQuery)
            return (client, accepted)
        }

        @Test(arguments: [("0", 2048), ("4MB", 2048 + 2 * 4096)])
        func `get every byte, and pgleash keeps no more than it may`(
            readAhead: String, kibibytes: Int
        ) throws {
            let server = try FakeServer(receiveBuffer: 4096)
            let pgleash = try PgleashProcess(
                server: server.address, configuration: ["cancel": ["read_ahead = \(readAhead)"]]
            )
            try server.acceptProbe()
            let (client, accepted) = try session(pgleash, server)
            let before = pgleash.memory("VmHWM")
            try pass(from: accepted, to: client)
            try pass(from: client, to: accepted)
            if !Programs.areSanitized { #expect(pgleash.memory("VmHWM") - before < kibibytes) }
            pgleash.process.kill()
        }

        /// Sends all bytes at one end, and takes few at a time at the other.
        private func pass(from sender: RawClient, to receiver: RawClient) throws {
            var (sent, received) = (0, 0)
            while received < Self.bytes.count {
                sent += sender.sendWhatFits(Self.bytes[sent...], within: 0)
                let piece = try receiver.receive(limit: 3000)
                try #require(piece[...] == Self.bytes[received..<received + piece.count], "at \(received)")
                received += piece.count
            }
        }
    }
}
