// libpq's check of keywords and values, without a connection.

import Testing

@testable import LibPQ

@Suite(.enabled(if: (try? PQLibrary()) != nil, "this machine has no libpq")) struct `libpq's objection` {
    private func objection(_ parameters: [String: String]) throws -> String? {
        try PQLibrary().objection(to: parameters.merging(["user": "leash"]) { own, _ in own })
    }

    @Test(arguments: [
        [:], ["sslmode": "verify-full", "sslrootcert": "/no/such"], ["host": "a,b", "port": "1,2"],
        ["hostaddr": "127.0.0.1"], ["passfile": "/no/such"],
    ])
    func `is none where it would connect`(parameters: [String: String]) throws {
        #expect(try objection(parameters) == nil)
    }

    @Test(arguments: [
        (["sslmode": "off"], #"invalid sslmode value: "off""#),
        (["nosuch": "1"], #"invalid connection option "nosuch""#),
        (["channel_binding": "on"], #"invalid channel_binding value: "on""#),
    ])
    func `is in its words`(parameters: [String: String], words: String) throws {
        #expect(try objection(parameters) == words)
    }
}
