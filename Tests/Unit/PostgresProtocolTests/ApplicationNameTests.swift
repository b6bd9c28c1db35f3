// The application_name that a server reports, and pgleash's own options in a startup packet.

import TestSupport
import Testing

@testable import PostgresProtocol

@Suite struct `The application name of a session` {
    private func tracker(_ parameters: [(String, String)], login: Bool = true) throws -> ProtocolTracker {
        var (tracker, scanner) = (ProtocolTracker(applicationName: "given"), MessageScanner(.backend))
        func say(_ bytes: [UInt8]) throws { try tracker.follow(bytes.span, by: &scanner) }
        if login { try say(message("Z", [UInt8(ascii: "I")])) }
        for (name, value) in parameters {
            try say(message("S", Array(name.utf8) + [0] + Array(value.utf8) + [0]))
        }
        return tracker
    }

    @Test func `is what the server reported last`() throws {
        let tracker = try tracker([("application_name", "one"), ("TimeZone", "UTC"), ("application_name", "two")])
        #expect(tracker.applicationName == "two")
        #expect(tracker.isRenamed)
    }

    @Test func `is not renamed before the login is through`() throws {
        let tracker = try tracker([("application_name", "one")], login: false)
        #expect(tracker.applicationName == "one")
        #expect(!tracker.isRenamed)
    }

    @Test(arguments: [("application_nam", "x"), ("application_names", "x"), ("a", "x"), ("", "")])
    func `comes from no other parameter`(name: String, value: String) throws {
        #expect(try tracker([(name, value)]).applicationName == "given")
    }

    @Test func `may be empty, and is cut and made harmless`() throws {
        #expect(try tracker([("application_name", "")]).applicationName == "")
        #expect(try tracker([("application_name", "a\nb")]).applicationName == "a?b")
        let long = String(repeating: "n", count: 300)
        #expect(try tracker([("application_name", long)]).applicationName == String(repeating: "n", count: 63))
    }

    @Test func `is unharmed by a message that is cut`() throws {
        var (tracker, scanner) = (ProtocolTracker(), MessageScanner(.backend))
        for body in [Array("application_name".utf8), Array("application_name\0".utf8), []] {
            try tracker.follow(message("S", body).span, by: &scanner)
        }
        #expect(tracker.applicationName == "")
    }
}

@Suite struct `A startup packet with an unknown pgleash setting` {
    private func unknown(_ parameters: [(name: String, value: String)]) throws -> [String] {
        let packet = StartupMessage.packet([("user", "u")] + parameters)
        guard case .startup(let message) = try StartupPacket(parsing: packet.span) else { return [] }
        return message.unknownSettings(in: packet.span)
    }

    @Test(arguments: [
        ("-c pgleash.cancle=off", "pgleash.cancle=off"), ("--pgleash.cancel=never", "pgleash.cancel=never"),
        ("-c PGLEASH.Cancel=", "PGLEASH.Cancel="), ("-c work_mem=1 -c pgleash.x=1", "pgleash.x=1"),
    ])
    func `is told of`(options: String, expected: String) throws {
        #expect(try unknown([("options", options)]) == [expected])
    }

    @Test(arguments: [
        "-c pgleash.cancel=off", "-c pgleash.cancel=on", "-c PGLEASH.CANCEL=No", "-c work_mem=1", "pgleash.x=1",
        "-c xpgleash.cancel=1",
    ])
    func `is no other one`(options: String) throws {
        #expect(try unknown([("options", options)]) == [])
    }

    @Test func `may have it as a parameter of its own`() throws {
        #expect(try unknown([("pgleash.cancle", "off")]) == ["pgleash.cancle=off"])
        #expect(try unknown([("pgleash.cancel", "off")]) == [])
    }
}
