// The exclusion of sessions by names as the clients send them, of any length and with any characters.

import Simulation
import Testing

@testable import PostgresProtocol
@testable import Settings

private func isCovered(by exclusion: Exclusion, _ parameters: [(name: String, value: String)]) throws -> Bool {
    let packet = StartupMessage.packet(parameters)
    guard case .startup(let message) = try StartupPacket(parsing: packet.span) else { return false }
    return exclusion.reason(for: message, in: packet.span) != nil
}

@Suite struct `Excluded sessions` {
    @Test(arguments: [
        "plain", "tab\there", "\u{1}", "Zo\u{eb}", String(repeating: "x", count: 70),
        String(repeating: "ж", count: 34),
    ]
    )
    func `A client with exactly a name that is left out`(name: String) throws {
        let identifier = Identifier(name)
        #expect(try isCovered(by: Exclusion(users: [identifier]), [("user", name)]))
        #expect(try isCovered(by: Exclusion(databases: [identifier]), [("user", "u"), ("database", name)]))
        #expect(try isCovered(by: Exclusion(databases: [identifier]), [("user", name)]), "the user's is the database's")
        let parameters = [(name: "user", value: "u"), ("application_name", name)]
        #expect(try isCovered(by: Exclusion(applicationNames: [identifier]), parameters))
        #expect(try !isCovered(by: Exclusion(users: [identifier], databases: [identifier]), parameters))
    }

    @Test func `The cut of a name stands for all that PostgreSQL cuts to it, and for no other`() throws {
        let exclusion = Exclusion(users: [Identifier(String(repeating: "x", count: 63))])
        #expect(try isCovered(by: exclusion, [("user", String(repeating: "x", count: 64))]))
        #expect(try !isCovered(by: exclusion, [("user", String(repeating: "x", count: 62))]))
        #expect(try !isCovered(by: exclusion, [("user", "y" + String(repeating: "x", count: 63))]))
    }

    @Test func `Not a client whose name only looks the same`() throws {
        #expect(try !isCovered(by: Exclusion(users: ["a?b"]), [("user", "a\tb")]))
        #expect(try !isCovered(by: Exclusion(users: ["Zo\u{eb}"]), [("user", "Zoe\u{308}")]))
        #expect(try !isCovered(by: Exclusion(users: ["plain"]), [("user", "Plain")]))
    }

    @Test func `No session, where no name is configured`() throws {
        #expect(try !isCovered(by: Exclusion(), [("user", "u"), ("application_name", "")]))
    }
}
