// The TLS settings of [server]: contradictions and defaults.

import Testing

@testable import Settings

@Suite struct `TLS to the server, as configured` {
    /// The error for these lines of [server]; nil when there is none.
    private func errorMessage(_ lines: String) -> String? {
        do throws(ConfigurationError) {
            _ = try Configuration(parsing: "[server]\n\(lines)\n", file: "test.conf")
            return nil
        } catch {
            return error.description
        }
    }

    private static let file = "sslrootcert = /root.crt"

    @Test(arguments: [
        ("sslmode = verify-ca", "sslmode = verify-ca needs sslrootcert"),
        ("sslmode = verify-full", "sslmode = verify-full needs sslrootcert"),
        ("sslcert = /a.crt", "sslcert and sslkey must be set together"),
        ("sslkey = /a.key", "sslcert and sslkey must be set together"),
        ("sslmode = require\nsslcrl = /a.crl", "sslcrl needs sslrootcert"),
        (
            "ssl_min_protocol_version = TLSv1.3\nssl_max_protocol_version = TLSv1.2",
            "ssl_min_protocol_version is above ssl_max_protocol_version"
        ),
        // The lower bound has a default.
        ("ssl_max_protocol_version = TLSv1.1", "ssl_min_protocol_version is above ssl_max_protocol_version"),
    ]
    )
    func `What contradicts each other is refused`(lines: String, expected: String) {
        let errorMessage = errorMessage(lines)
        #expect(errorMessage?.hasPrefix("test.conf:") == true)
        #expect(errorMessage?.hasSuffix(": [server] \(expected)") == true)
    }

    @Test(arguments: SSLMode.allCases)
    func `The system's authorities, which certify anyone, require the check of the name`(mode: SSLMode) {
        let reason = "may not be used with sslrootcert=system (use \"verify-full\")"
        let expected = "weak sslmode \"\(mode.rawValue)\" \(reason)"
        let isFine = mode == .verifyFull
        let errorMessage = errorMessage("sslmode = \(mode.rawValue)\nsslrootcert = system")
        #expect(errorMessage == (isFine ? nil : "test.conf:3: [server] \(expected)"))
    }

    @Test(arguments: SSLMode.allCases)
    func `TLS from the first byte on leaves no choice of doing without`(mode: SSLMode) {
        let expected = "sslnegotiation = direct needs sslmode = require, verify-ca or verify-full"
        let isFine = mode != .disable && mode != .prefer
        let errorMessage = errorMessage("sslmode = \(mode.rawValue)\nsslnegotiation = direct\n\(Self.file)")
        #expect(errorMessage == (isFine ? nil : "test.conf:3: [server] \(expected)"))
    }

    @Test(
        arguments: SSLMode.allCases.map { "sslmode = \($0.rawValue)\n\(file)\nsslcrl = /a.crl" } + [
            "sslcert = /a.crt\nsslkey = /a.key", "ssl_min_protocol_version = TLSv1\nssl_max_protocol_version = TLSv1",
            "sslmode = require", "sslsni = 0",
        ]
    )
    func `What goes together is taken`(lines: String) {
        #expect(errorMessage(lines) == nil)
    }

    @Test func `Values are libpq's, and others are refused`() throws {
        let refused = [
            "sslmode = allow": "disable, prefer, require, verify-ca, verify-full",
            "sslnegotiation = tls": "postgres, direct", "sslsni = 2": "0 or 1",
            "ssl_min_protocol_version = SSLv3": "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
            "ssl_max_protocol_version = 1.3": "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
            "sslrootcert = root.crt": #"an absolute path, or "system""#, "sslcrl = a.crl": "an absolute path",
            "sslcert = a.crt": "an absolute path", "sslkey = system": "an absolute path",
        ]
        for (line, allowed) in refused {
            let errorMessage = errorMessage(line)
            #expect(errorMessage?.hasPrefix("test.conf:2: [server] ") == true, "\(line)")
            #expect(errorMessage?.hasSuffix("is not allowed; allowed: \(allowed)") == true, "\(errorMessage ?? "")")
        }
    }

    @Test func `Without settings all values are libpq's defaults`() throws {
        let tls = try Configuration(parsing: "", file: "test.conf").server.tls
        #expect(tls == Configuration.ServerTLS())
        #expect(tls.mode == .prefer && tls.negotiation == .postgres && tls.sendsServerName)
        #expect(tls.rootCertificates == nil && tls.certificate == nil && tls.maximumVersion == nil)
        #expect(tls.minimumVersion.rawValue == "TLSv1.2")
    }
}
