// The parameters of a StartupMessage, and their safe form in the log.

import PostgresProtocol
import TestSupport
import Testing

@Suite struct `The parameters of a StartupMessage` {
    @Test func `name user, database and application`() throws {
        let message = try #require(
            startup([("user", "alice"), ("options", "-c x=y"), ("database", "shop"), ("application_name", "cart")])
        )
        #expect(message.user == "alice")
        #expect(message.database == "shop")
        #expect(message.applicationName == "cart")
        #expect(!message.isReplication)
    }

    @Test func `name the user's database where they name none`() throws {
        #expect(try #require(startup([("user", "alice")])).database == "alice")
        #expect(try #require(startup([("database", ""), ("user", "alice")])).database == "alice")
    }

    @Test func `must name a user`() {
        for pairs in [[], [("database", "shop")], [("user", "")], [("user", "a"), ("user", "")]] {
            #expect(parse(packet(code: version(3, 0), parameters(pairs))) == .failure(.noUser))
        }
        #expect(StartupPacket.Malformed.noUser.sqlState == .invalidAuthorizationSpecification)
        #expect(StartupPacket.Malformed.noUser.description == "no PostgreSQL user name specified in startup packet")
    }

    @Test func `count in their last mention`() throws {
        let message = try #require(
            startup([
                ("user", "first"), ("application_name", "a"), ("replication", "on"), ("database", "x"),
                ("user", "last"), ("application_name", ""), ("replication", "off"), ("database", "y"),
            ])
        )
        #expect(message.user == "last")
        #expect(message.database == "y")
        #expect(message.applicationName.isEmpty)
        #expect(!message.isReplication)
    }

    @Test func `are told apart by case`() throws {
        let message = try #require(startup([("user", "u"), ("USER", "x"), ("Database", "x"), ("Replication", "true")]))
        #expect(message.user == "u")
        #expect(message.database == "u")
        #expect(!message.isReplication)
    }

    @Test(
        arguments: [
            ("-c pgleash.cancel=off", true), ("-cpgleash.cancel=off", true), ("--pgleash.cancel=off", true),
            ("-c PGLEASH.Cancel=FALSE", true), ("-c pgleash.cancel=0", true), ("-c pgleash.cancel=no", true),
            ("-c  \t pgleash.cancel=off", true), ("-c geqo=off -c pgleash.cancel=off", true),
            ("-c pgleash.cancel\\=off", true), ("-e -c pgleash.cancel=f", true),
            ("", false), ("-c", false), ("-", false), ("--", false), ("-c pgleash.cancel", false), ("\\", false),
            ("-c pgleash.cancel=", false), ("-c pgleash.cancel=on", false), ("-c pgleash.cancel=o", false),
            ("-c pgleash.cancels=off", false), ("pgleash.cancel=off", false), ("-c geqo=pgleash.cancel=off", false),
            ("-c search_path=a\\ -c\\ pgleash.cancel=off", false),
            ("-c pgleash.cancel=off -c pgleash.cancel=on", false), ("-c pgleash.cancel=on --pgleash.cancel=off", true),
        ])
    func `let a client opt out of cancelling`(options: String, isOff: Bool) throws {
        let message = try #require(startup([("user", "u"), ("options", options)]))
        #expect(message.isCancelOff == isOff, "\(options)")
    }

    @Test func `let a client opt out with a parameter of its own, which goes over the options`() throws {
        #expect(try #require(startup([("user", "u"), ("pgleash.cancel", "off")])).isCancelOff)
        #expect(try #require(startup([("user", "u"), ("Pgleash.Cancel", "Off")])).isCancelOff)
        let both = [("user", "u"), ("pgleash.cancel", "on"), ("options", "-c pgleash.cancel=off")]
        #expect(try !#require(startup(both)).isCancelOff)
    }

    @Test func `are refused without their terminators`() {
        let layouts: [(String, [UInt8])] = [
            ("nothing at all", []),
            ("no terminator behind the last value", Array("user\u{0}alice\u{0}".utf8)),
            ("a value without its zero", Array("user\u{0}alice".utf8)),
            ("a name without its zero", Array("user".utf8)),
            ("a name without a value", Array("user\u{0}alice\u{0}database\u{0}".utf8)),
            ("a name whose value is the terminator", Array("user\u{0}alice\u{0}database\u{0}\u{0}".utf8)),
            ("a byte behind the terminator", Array("user\u{0}alice\u{0}\u{0}x".utf8)),
            ("a zero behind the terminator", Array("user\u{0}alice\u{0}\u{0}\u{0}".utf8)),
        ]
        for (what, rest) in layouts {
            #expect(parse(packet(code: version(3, 0), rest)) == .failure(.parameters), "\(what)")
        }
        #expect(StartupPacket.Malformed.parameters.sqlState == .protocolViolation)
    }

    @Test func `request replication in PostgreSQL's words`() throws {
        // As in parse_bool: any case, and abbreviations that are unambiguous.
        let falseWords = ["0", "off", "of", "false", "fals", "fal", "fa", "f", "no", "n"]
        let trueWords = ["1", "on", "true", "tru", "tr", "t", "yes", "ye", "y", "database"]
        for word in falseWords {
            #expect(try !#require(startup([("user", "u"), ("replication", word)])).isReplication, "\(word)")
        }
        for word in trueWords {
            #expect(try #require(startup([("user", "u"), ("replication", word)])).isReplication, "\(word)")
        }
    }

    @Test(arguments: ["FALSE", "False", "F", "OFF", "Off", "Of", "NO", "No", "N"])
    func `deny replication in any case of PostgreSQL's words`(_ word: String) throws {
        #expect(try !#require(startup([("user", "u"), ("replication", word)])).isReplication)
    }

    @Test func `are cut as PostgreSQL cuts names`() throws {
        let long = String(repeating: "x", count: 200)
        let message = try #require(startup([("user", long), ("database", long), ("application_name", long)]))
        let cut = String(repeating: "x", count: 63)
        #expect(message.user == cut)
        #expect(message.database == cut)
        #expect(message.applicationName == cut)
    }

    @Test func `may be no UTF-8`() throws {
        let latin1: [UInt8] = Array("user\u{0}M".utf8) + [0xfc] + Array("ller\u{0}\u{0}".utf8)
        guard case .success(.startup(let message)) = parse(packet(code: version(3, 0), latin1)) else {
            Issue.record("refused")
            return
        }
        #expect(message.user == "M\u{fffd}ller")
    }

    @Test func `are cut between letters`() throws {
        // The 63rd byte is the first half of a character.
        let short = String(repeating: "x", count: 62)
        let message = try #require(
            startup([("user", short + "ü"), ("database", short + "üb"), ("application_name", short + "€uro")]))
        #expect(message.user == short)
        #expect(message.database == short)
        #expect(message.applicationName == short)
    }

    @Test func `bring no line breaks and no terminal's commands into a log`() throws {
        let controls = (1...0x1f).map { UInt8($0) } + [0x7f]
        for control in controls {
            let hostile = "a" + String(UnicodeScalar(control)) + "b"
            let message = try #require(
                startup([("user", hostile), ("database", hostile), ("application_name", hostile)]))
            #expect(message.user == "a?b")
            #expect(message.database == "a?b")
            #expect(message.applicationName == "a?b")
        }
    }

    @Test func `bring no line breaks of Unicode's into a log`() throws {
        // NEL and CSI are control characters of two bytes; LINE and PARAGRAPH SEPARATOR end lines for many viewers.
        for scalar in ["\u{80}", "\u{85}", "\u{9b}", "\u{9f}", "\u{2028}", "\u{2029}"] {
            let user = try #require(startup([("user", "a" + scalar + "b")])).user
            #expect(!user.contains(scalar), "U+\(String(scalar.unicodeScalars.first?.value ?? 0, radix: 16))")
        }
    }
}
