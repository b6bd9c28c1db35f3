// The comparison of names as PostgreSQL stores them, independent of their form in a log.

import PostgresProtocol
import TestSupport
import Testing

private func identifiers(_ pairs: [(String, String)]) throws -> StartupIdentifiers {
    let packet = packet(code: version(3, 0), parameters(pairs))
    return try StartupIdentifiers(parsing: packet.span)
}

@Suite struct `A name as PostgreSQL keeps it` {
    @Test func `has all of up to 63 bytes`() {
        for name in ["", "a", "a\tb\u{7f}", String(repeating: "x", count: 63), String(repeating: "ж", count: 31)] {
            #expect(Identifier(name).bytes == Array(name.utf8))
        }
    }

    @Test func `has 63 bytes of a longer one, but no part of a letter`() {
        #expect(Identifier(String(repeating: "x", count: 70)).bytes.count == 63)
        #expect(Identifier(String(repeating: "ж", count: 34)) == Identifier(String(repeating: "ж", count: 31)))
        // Letters of 2, 3 and 4 bytes, beginning at each position around the cut.
        for letter in ["ü", "€", "😀"] {
            for lead in 58...66 {
                let kept = Identifier(String(repeating: "x", count: lead) + letter + "tail").bytes
                #expect(String(validating: kept, as: UTF8.self) != nil, "\(letter) behind \(lead)")
                #expect(kept.count > 63 - letter.utf8.count && kept.count <= 63, "\(letter) behind \(lead)")
            }
        }
    }

    @Test func `has 63 bytes of what is no UTF-8`() {
        let latin1 = [UInt8](repeating: 0xfc, count: 70)
        #expect(Identifier(latin1.span).bytes == Array(latin1[..<63]))
        let continuations = [UInt8](repeating: 0x80, count: 70)
        #expect(Identifier(continuations.span).bytes.count == 63)
    }

    @Test func `is another one when its bytes are others, though a reader sees no difference`() {
        #expect(Identifier("Zo\u{eb}") != Identifier("Zoe\u{308}"))
        #expect(Identifier("a\tb") != Identifier("a?b"))
    }
}

@Suite struct `The names in a startup packet` {
    @Test func `are as they were sent`() throws {
        let names = try identifiers([("user", "a\tb"), ("database", "c\u{85}d"), ("application_name", "e\u{1}f")])
        #expect(names.user == Identifier("a\tb"))
        #expect(names.database == Identifier("c\u{85}d"))
        #expect(names.applicationName == Identifier("e\u{1}f"))
    }

    @Test func `count in their last mention, and the user's stands for the database's`() throws {
        let names = try identifiers([("user", "x"), ("application_name", "y"), ("user", "u"), ("application_name", "")])
        #expect(names.user == Identifier("u") && names.database == names.user)
        #expect(names.applicationName.bytes.isEmpty)
        #expect(try identifiers([("database", ""), ("user", "u")]).database == Identifier("u"))
    }

    @Test func `are not read from anything shorter than a packet`() {
        let whole = packet(code: version(3, 0), parameters([("user", "alice")]))
        for count in 0..<whole.count {
            #expect(throws: StartupPacket.Malformed.parameters) {
                try StartupIdentifiers(parsing: Array(whole[..<count]).span)
            }
        }
    }
}
