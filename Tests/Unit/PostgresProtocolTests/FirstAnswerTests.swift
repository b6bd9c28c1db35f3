// The information in a server's first message.

import PostgresProtocol
import TestSupport
import Testing

@Suite struct `A server's first answer` {
    private static let startingUp = error("SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0")

    private static func error(_ fields: String) -> [UInt8] {
        [0x45] + int32(UInt32(fields.utf8.count + 4)) + Array(fields.utf8)
    }

    private func read(_ bytes: [UInt8]) -> FirstAnswer { FirstAnswer(parsing: bytes.span) }

    @Test func `goes on with the session when it asks for a password, or needs none`() {
        #expect(read([0x52]) == .welcome)
        #expect(read([0x52, 0, 0, 0, 8, 0, 0, 0, 0]) == .welcome)
        #expect(read([0x76, 0, 0, 0]) == .welcome)
    }

    @Test func `refuses it with a code, once the whole message is there`() {
        for count in 0..<Self.startingUp.count {
            #expect(read(Array(Self.startingUp[..<count])) == .incomplete, "\(count) bytes")
        }
        #expect(read(Self.startingUp) == .refusal(sqlState: "57P03"))
        #expect(read(Self.startingUp + [0x45]) == .refusal(sqlState: "57P03"))
    }

    @Test func `may have no code`() {
        #expect(read(Self.error("SFATAL\0MC57P03\0\0")) == .refusal(sqlState: ""))
        #expect(read(Self.error("")) == .refusal(sqlState: ""))
        #expect(read(Self.error("\0\0C\0")) == .refusal(sqlState: ""))
    }

    @Test func `of something else is not believed`() {
        #expect(read(Array("HTTP/1.1 400 Bad Request\r\n".utf8)) == .unknown)
        #expect(read(Array("Ecould not fork new process".utf8)) == .unknown)
        #expect(read([0x45, 0, 0, 0, 3]) == .unknown)
        #expect(read([0x45, 0, 0, 0x75, 0x31]) == .unknown)
        #expect(read([0x45, 0, 0, 0x75, 0x30]) == .incomplete)
    }
}

@Suite struct `A StartupMessage of our own` {
    @Test func `is read as what it says`() throws {
        let packet = StartupMessage.packet([("user", "u"), ("database", "d"), ("application_name", "a")])
        let length = Array(packet[..<4])
        #expect(try StartupPacket.length(from: length.span) == packet.count)
        guard case .startup(let message) = try StartupPacket(parsing: packet.span) else {
            Issue.record("no StartupMessage")
            return
        }
        #expect(message.user == "u")
        #expect(message.database == "d")
        #expect(message.applicationName == "a")
    }
}
