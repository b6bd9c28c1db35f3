// Clients that disappear before they are authenticated, at each step of the startup: there is nothing to cancel.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Clients that vanish on their way in` {
        private let postgres = PrivatePostgres.countingCancels

        /// The last step of a client before it disappears.
        struct Step: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let act: @Sendable (RawClient) throws -> Void

            private static let packet = Frontend.startup(name: "early")

            /// Sends a startup packet with this user, and reads up to the server's authentication request.
            private static func ask(_ client: RawClient, user: String) throws {
                try client.send(Frontend.startup(user: user, name: "early"))
                let question = try client.readMessage()
                guard question.kind == UInt8(ascii: "R"), question.body != int32(0) else {
                    throw TimedOut(description: "\(user) was not asked for a password")
                }
            }

            /// The client's first message of SCRAM.
            private static let scramBegin: [UInt8] = {
                let first = Array("n,,n=,r=0123456789".utf8)
                return message("p", Array("SCRAM-SHA-256\0".utf8) + int32(first.count) + first)
            }()

            static let all = [
                Step(testDescription: "connected") { _ in },
                Step(testDescription: "1 byte") { try $0.send(Array(packet.prefix(1))) },
                Step(testDescription: "the length") { try $0.send(Array(packet.prefix(4))) },
                Step(testDescription: "half a packet") { try $0.send(Array(packet.prefix(packet.count / 2))) },
                Step(testDescription: "SSLRequest sent") { try $0.send(Frontend.sslRequest) },
                Step(testDescription: "SSLRequest answered") {
                    try $0.send(Frontend.sslRequest)
                    _ = try $0.readBytes(1)
                },
                Step(testDescription: "both requests answered, half a packet") {
                    for request in [Frontend.gssEncryptionRequest, Frontend.sslRequest] {
                        try $0.send(request)
                        _ = try $0.readBytes(1)
                    }
                    try $0.send(Array(packet.prefix(packet.count / 2)))
                },
                Step(testDescription: "packet sent") { try $0.send(packet) },
                Step(testDescription: "packet sent, a moment later") {
                    try $0.send(packet)
                    rest(.microseconds(Int.random(in: 0...3000)))
                },
                Step(testDescription: "first byte of the answer") {
                    try $0.send(packet)
                    _ = try $0.receive(limit: 1)
                },
                Step(testDescription: "asked for a password") { try ask($0, user: "asked") },
                Step(testDescription: "wrong password sent") {
                    try ask($0, user: "asked")
                    try $0.send(message("p", Array("wrong\0".utf8)))
                },
                Step(testDescription: "right password sent") {
                    try ask($0, user: "asked")
                    try $0.send(message("p", Array("right\0".utf8)))
                },
                Step(testDescription: "asked for SCRAM") { try ask($0, user: "scrambled") },
                Step(testDescription: "SCRAM begun") {
                    try ask($0, user: "scrambled")
                    try $0.send(scramBegin)
                },
                Step(testDescription: "SCRAM's challenge read") {
                    try ask($0, user: "scrambled")
                    try $0.send(scramBegin)
                    _ = try $0.readMessage()
                },
                Step(testDescription: "refused") {
                    try $0.send(Frontend.startup(user: "unwelcome", name: "early"))
                    _ = try $0.readMessage()
                },
                Step(testDescription: "no such database, answer unread") {
                    try $0.send(Frontend.startup(database: "none", name: "early"))
                },
            ]
        }

        @Test func `cause no cancel`() throws {
            for user in ["asked", "scrambled"] {
                try postgres.query("CREATE ROLE \(user) LOGIN PASSWORD 'right'")
            }
            let pgleash = try PgleashProcess(server: postgres.address)
            try postgres.expectNoCancel(through: pgleash, isEachSession: false) {
                for step in Step.all {
                    let port = pgleash.port
                    try inParallel(4) { thread in
                        for number in stride(from: thread, to: 24, by: 4) {
                            let client = try RawClient(port: port)
                            do {
                                try step.act(client)
                            } catch {
                                throw TimedOut(description: "\(step.testDescription): \(error)")
                            }
                            number % 8 < 4 ? client.close() : client.reset()
                        }
                    }
                }
            }
            let report = try pgleash.report()
            #expect(report["sessions_opened_total"] == Step.all.count * 24 + 1)
            pgleash.stop()
        }
    }
}
