// Clients and servers that send invalid bytes: the session ends with a reason, is counted, and others continue.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite(.tags(.toleratesStrayCancels)) struct `When input makes no sense` {
        private let postgres = PrivatePostgres.shared

        /// A first packet, and its refusal.
        struct FirstPacket: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let bytes: [UInt8]
            var sqlState = "08P01"
            var message = "invalid length of startup packet"

            static let all = [
                FirstPacket(testDescription: "length 0", bytes: int32(0)),
                FirstPacket(testDescription: "length 7", bytes: int32(7) + [0, 3, 0]),
                FirstPacket(testDescription: "length 10005", bytes: int32(10_005)),
                FirstPacket(testDescription: "length 2^32 - 1", bytes: [255, 255, 255, 255]),
                FirstPacket(
                    testDescription: "an HTTP request",
                    bytes: Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
                ),
                FirstPacket(testDescription: "a TLS ClientHello", bytes: [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]),
                FirstPacket(
                    testDescription: "protocol 2", bytes: int32(8) + int32(2 << 16),
                    sqlState: "0A000", message: "unsupported frontend protocol 2.0"
                ),
                FirstPacket(
                    testDescription: "no user", bytes: int32(9) + int32(3 << 16) + [0],
                    sqlState: "28000", message: "no PostgreSQL user name specified in startup packet"
                ),
                FirstPacket(
                    testDescription: "no terminator",
                    bytes: int32(14) + int32(3 << 16) + Array("user\0x".utf8),
                    message: "invalid startup packet layout: expected terminator as last byte"
                ),
                FirstPacket(
                    testDescription: "a CancelRequest without a secret",
                    bytes: Frontend.cancelRequest(int32(1)), message: "invalid length of cancel request packet"
                ),
            ]
        }

        @Test(arguments: FirstPacket.all)
        func `a first packet is refused with a reason, and counted`(_ packet: FirstPacket) throws {
            let pgleash = try PgleashProcess()
            let client = try RawClient(port: pgleash.port)
            try client.send(packet.bytes)
            let error = try client.readMessage()
            #expect(error.kind == BackendKind.errorResponse)
            #expect(error.field("S") == "FATAL")
            #expect(error.field("C") == packet.sqlState)
            #expect(error.field("M").hasPrefix(packet.message))
            #expect(try client.readToEnd() == [])
            client.close()
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["protocol_errors_total", "client"] == 1)
            #expect(report["sessions_ended_total", "protocol_error"] == 1)
            pgleash.stop()
        }

        /// The first message in the reply to a startup packet of `length` bytes.
        private func answer(ofPort port: UInt16, toLength length: Int) throws -> Message {
            let empty = Frontend.startup(name: "long", parameters: [("options", "")])
            let spaces = String(repeating: " ", count: length - empty.count)
            let packet = Frontend.startup(name: "long", parameters: [("options", spaces)])
            try #require(packet.count == length)
            let client = try RawClient(port: port)
            try client.send(packet)
            return try client.readMessage()
        }

        @Test func `the longest packet that PostgreSQL takes passes, and is refused with one byte more`() throws {
            let pgleash = try PgleashProcess()
            #expect(try answer(ofPort: postgres.port, toLength: 10_004).kind == BackendKind.authentication)
            #expect(try answer(ofPort: pgleash.port, toLength: 10_004).kind == BackendKind.authentication)
            // PostgreSQL reports this in its log only.
            #expect(throws: RawClientError.self) { try answer(ofPort: postgres.port, toLength: 10_005) }
            #expect(try answer(ofPort: pgleash.port, toLength: 10_005).field("C") == "08P01")
            pgleash.stop()
        }

        @Test func `random bytes end nothing but the session they come in`() throws {
            let pgleash = try PgleashProcess()
            let bystander = try LibpqClient(port: pgleash.port)
            var generator = SeededGenerator(seed: 42)
            for round in 0..<300 {
                let client = try RawClient(port: pgleash.port)
                // Half of them begin like a valid client.
                if round.isMultiple(of: 2) { try client.startUp(name: "random") }
                let bytes = (0..<Int.random(in: 1...200, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
                try client.send(bytes)
            }
            #expect(try bystander.query("SELECT 1") == [["1"]])
            let report = try pgleash.waitForReport("one session") { $0["sessions_active"] == 1 }
            #expect(report["protocol_errors_total", "client"] > 100)
            #expect(report["sessions_opened_total"] == 301)
            try wait(for: "the end of all backends") { try postgres.backends("random") == 0 }
            pgleash.stop()
        }

        @Test(arguments: [0, 3, 0x8000_0000, 0xffff_ffff])
        func `a message of an impossible length from the client ends its session alone`(_ length: Int) throws {
            let pgleash = try PgleashProcess()
            let bystander = try LibpqClient(port: pgleash.port)
            let message = [UInt8(ascii: "Q")] + int32(length)
            let idle = try pgleash.connect(name: "idle")
            try idle.send(message)
            let error = try idle.readMessage()
            #expect(error.field("C") == "08P01")
            #expect(error.field("M") == "invalid message length \(length) from the client")
            #expect(try idle.readToEnd() == [])
            #expect(try postgres.timeUntilGone("idle") < .seconds(1))

            let busy = try pgleash.connectBusy(name: "busy")
            try busy.send(message)
            #expect(try postgres.timeUntilGone("busy") < .seconds(1))
            #expect(try pgleash.reapedLine("busy")["drop"] == "protocol_error")
            #expect(try busy.readMessage().field("C") == "08P01")
            idle.close()
            busy.close()

            #expect(try bystander.query("SELECT 1") == [["1"]])
            let report = try pgleash.waitForReport("one session") { $0["sessions_active"] == 1 }
            #expect(report["protocol_errors_total", "client"] == 2)
            #expect(report["drops_total", "protocol_error"] == 1)
            pgleash.stop()
        }

        @Test(arguments: [0, 3, 0x8000_0000, 0xffff_ffff])
        func `a message of an impossible length from the server ends its session alone`(_ length: Int) throws {
            let server = try FakeServer()
            let pgleash = try PgleashProcess(server: server.address)
            try server.acceptProbe()
            let clients = try (0..<2).map { _ in
                let client = try RawClient(port: pgleash.port)
                try client.send(Frontend.startup(name: "victim"))
                return (client, try server.acceptSession())
            }
            for (client, _) in clients { try client.read(until: BackendKind.readyForQuery) }
            let (victim, badServer) = clients[0]
            try badServer.send([UInt8(ascii: "D")] + int32(length))
            let error = try victim.readMessage()
            #expect(error.field("C") == "08P01")
            #expect(error.field("M") == "invalid message length \(length) from the server")
            #expect(try victim.readToEnd() == [])
            #expect(try badServer.readToEnd() == [])
            victim.close()

            let (bystander, goodServer) = clients[1]
            try bystander.send(Frontend.query("SELECT 1"))
            #expect(try goodServer.readMessage().kind == FrontendKind.query)
            let report = try pgleash.waitForReport("one session") { $0["sessions_active"] == 1 }
            #expect(report["protocol_errors_total", "server"] == 1)
            #expect(report["sessions_ended_total", "protocol_error"] == 1)
            pgleash.process.kill()
        }
    }
}
