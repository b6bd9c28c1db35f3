// Messages of a server in clear text before TLS, which are never trusted: an attacker can have sent them.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `With a server that is not authenticated` {
        /// The message that an attacker between pgleash and the server would send the client.
        private static let bait = "your password has expired, visit evil.test"

        private static let errorResponse = message(
            "E", ["SFATAL", "VFATAL", "C28000", "M\(bait)", ""].flatMap { Array($0.utf8) + [0] }
        )

        /// An answer to the SSLRequest that does not lead to TLS.
        struct Answer: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let bytes: [UInt8]
            /// The error for the client.
            let reason: String

            init(_ description: String, _ bytes: [UInt8], _ reason: String) {
                (testDescription, self.bytes, self.reason) = (description, bytes, reason)
            }
        }

        private static let isError = "server sent an error response during SSL exchange"
        private static let isNoTLS = "SSL error: wrong version number"

        private static let yes = [UInt8(ascii: "S")]
        private static let answers = [
            Answer("an error", errorResponse, isError),
            Answer("the first byte of one", [UInt8(ascii: "E")], isError),
            Answer("a yes, and an error in clear text", yes + errorResponse, isNoTLS),
            Answer("a yes, and a session in clear text", yes + message("R", int32(0)), isNoTLS),
            Answer("a yes, and an alert", yes + [0x15, 3, 3, 0, 2, 2, 70], "SSL error: tlsv1 alert protocol version"),
            Answer("a yes, and the end", yes, "SSL error: the peer closed the connection during the handshake"),
            Answer("garbage", Array("X\(bait)".utf8), "received invalid response to SSL negotiation: 0x58"),
            Answer("a zero", [0], "received invalid response to SSL negotiation: 0x0"),
            Answer("the end", [], "server closed the connection unexpectedly"),
        ]

        private func startPgleash(_ server: FakeServer, _ mode: String) throws -> PgleashProcess {
            let tls = ["sslmode = \(mode)", "connect_timeout = 1s"]
            let pgleash = try PgleashProcess(serverPort: server.port, host: "127.0.0.1", tls: tls)
            // The startup check comes first.
            let probe = try server.accept()
            #expect(try probe.readBytes(8) == Frontend.sslRequest)
            try probe.send([UInt8(ascii: "N")])
            probe.close()
            try pgleash.waitForProbe()
            return pgleash
        }

        /// A client that has sent its StartupMessage, and the connection that is opened for it.
        private func meet(_ pgleash: PgleashProcess, _ server: FakeServer) throws -> (RawClient, RawClient) {
            let client = try RawClient(port: pgleash.port)
            try client.send(Frontend.startup(name: "baited"))
            let accepted = try server.accept()
            #expect(try accepted.readBytes(8) == Frontend.sslRequest)
            return (client, accepted)
        }

        private func expectNoBait(_ bytes: [UInt8], _ pgleash: PgleashProcess) {
            #expect(!String(decoding: bytes, as: UTF8.self).contains("evil"))
            #expect(!pgleash.log.contains("evil"))
        }

        @Test(arguments: answers)
        func `what comes before TLS is neither shown to the client nor logged`(_ answer: Answer) throws {
            let server = try FakeServer()
            let pgleash = try startPgleash(server, "require")
            let (client, accepted) = try meet(pgleash, server)
            try accepted.send(answer.bytes)
            accepted.shutdownSending()
            let error = try client.readMessage()
            #expect(error.field("C") == "57P03")
            #expect(error.field("M") == "connection to server at \(server.address) failed: \(answer.reason)")
            expectNoBait(error.body + (try client.readToEnd()), pgleash)
            // No information about the client has been sent.
            let said = (try? accepted.readToEnd()) ?? []
            #expect(!String(decoding: said, as: UTF8.self).contains("baited"))
            client.close()
            pgleash.stop()
        }

        @Test(arguments: answers)
        func `where nothing has to be encrypted, a second connection is tried without`(_ answer: Answer) throws {
            let server = try FakeServer()
            let pgleash = try startPgleash(server, "prefer")
            let (client, accepted) = try meet(pgleash, server)
            try accepted.send(answer.bytes)
            accepted.shutdownSending()
            let second = try server.acceptSession()
            let welcome = try client.read(until: BackendKind.readyForQuery)
            #expect(welcome.map(\.kind) == Array("RKZ".utf8))
            expectNoBait(welcome.flatMap(\.body), pgleash)
            let warnings = try pgleash.waitForLogLines("connection to server is not encrypted")
            #expect(warnings.first?.contains(answer.reason) == true)
            #expect(try pgleash.report().sessions.map { $0["ssl"] } == ["none"])
            withExtendedLifetime(second) { pgleash.process.kill() }
        }

        @Test(arguments: ["prefer", "require"])
        func `a server that says N in clear text is a plain one, or none`(_ mode: String) throws {
            let server = try FakeServer()
            let pgleash = try startPgleash(server, mode)
            let (client, accepted) = try meet(pgleash, server)
            try accepted.send([UInt8(ascii: "N")])
            if mode == "prefer" {
                #expect(try accepted.readStartup() == Array(Frontend.startup(name: "baited").dropFirst(4)))
            } else {
                let refusal = "server does not support SSL, but SSL was required"
                #expect(try client.readMessage().field("M").hasSuffix(refusal))
                #expect(throws: RawClientError.endOfStream) { try accepted.receive() }
            }
            pgleash.process.kill()
        }

        @Test(arguments: [[], [UInt8(ascii: "S")], [UInt8(ascii: "S"), 0x16, 3, 3]])
        func `a server that hangs before TLS stands is given up after connect_timeout`(_ answer: [UInt8]) throws {
            let server = try FakeServer()
            let pgleash = try startPgleash(server, "require")
            let (client, accepted) = try meet(pgleash, server)
            try accepted.send(answer)
            let time = try timed {
                let error = try client.readMessage()
                #expect(error.field("C") == "57P03")
                #expect(error.field("M") == "could not connect to server at \(server.address): Connection timed out")
            }
            // It began before the measurement, and another load of the machine can only make it longer.
            #expect(time > .milliseconds(500) && time < .seconds(5), "\(time)")
            client.close()
            withExtendedLifetime(accepted) { pgleash.stop() }
        }
    }
}
