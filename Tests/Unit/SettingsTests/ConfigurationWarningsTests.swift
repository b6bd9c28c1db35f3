// The warnings about settings that are allowed but not used, or have less effect than expected.

import Testing

@testable import Settings

@Suite struct `Warnings of a configuration` {
    private func warnings(_ text: String) throws -> [String] {
        try Configuration(parsing: text, file: "test.conf").warnings.map(\.description)
    }

    private static let off = "not used: sslmode is disable"
    private static let unverified = "not used: sslmode is prefer, and nothing is verified"

    @Test(
        arguments: [
            ("[server]\nsslrootcert = /a", ["test.conf:2: [server] sslrootcert: \(unverified)"]),
            (
                "[server]\nsslrootcert = /a\n\nsslcrl = /b\nsslmode = prefer",
                ["test.conf:2: [server] sslrootcert: \(unverified)", "test.conf:4: [server] sslcrl: \(unverified)"]
            ),
            (
                "[server]\nsslmode = disable\nsslrootcert = /a\nsslcrl = /b\nsslcert = /c\nsslkey = /d",
                [
                    "test.conf:3: [server] sslrootcert: \(off)", "test.conf:4: [server] sslcrl: \(off)",
                    "test.conf:5: [server] sslcert: \(off)", "test.conf:6: [server] sslkey: \(off)",
                ]
            ),
            ("[listen]\nssl_cert_file = /a", ["test.conf:2: [listen] ssl_cert_file: \(off)"]),
            (
                "[listen]\nsslmode = disable\nssl_cert_file = /a\nssl_key_file = /b\nssl_ca_file = /c",
                [
                    "test.conf:3: [listen] ssl_cert_file: \(off)", "test.conf:4: [listen] ssl_key_file: \(off)",
                    "test.conf:5: [listen] ssl_ca_file: \(off)",
                ]
            ),
            (
                "[listen]\nsslmode = allow\nssl_cert_file = /a\nssl_key_file = /b\nssl_ca_file = /c",
                [
                    "test.conf:5: [listen] ssl_ca_file: "
                        + "a client without TLS needs no certificate: sslmode is allow, not require"
                ]
            ),
            (
                "[metrics]\nfile = /dev/null",
                ["test.conf:2: [metrics] file: can't be replaced: it is not a regular file"]
            ),
        ] as [(String, [String])]
    )
    func `Each names the file, the line and the key`(text: String, expected: [String]) throws {
        #expect(try warnings(text) == expected)
    }

    @Test(arguments: [
        "", "[listen]\nsslmode = allow\nssl_cert_file = /a\nssl_key_file = /b",
        "[listen]\nsslmode = require\nssl_cert_file = /a\nssl_key_file = /b\nssl_ca_file = /c",
        "[server]\nsslcert = /a\nsslkey = /b", "[server]\nsslmode = require\nsslrootcert = /a\nsslcrl = /b",
        "[server]\nsslmode = verify-ca\nsslrootcert = /a\nsslcrl = /b\nsslcert = /c\nsslkey = /d",
        "[server]\nsslmode = verify-full\nsslrootcert = system",
    ]
    )
    func `There is none where all is used`(text: String) throws {
        #expect(try warnings(text) == [])
    }

    @Test func `The last line of a key that stands twice is the one that is named`() throws {
        let told = try warnings("[server]\nsslrootcert = /a\nsslrootcert = /b\n")
        let repeated = "it is set in line 2 too; the last line counts"
        #expect(
            told == [
                "test.conf:3: [server] sslrootcert: \(repeated)",
                "test.conf:3: [server] sslrootcert: \(Self.unverified)",
            ])
    }
}
