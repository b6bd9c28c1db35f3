// The TLS settings of both sides: their values, contradictions between them, and the options for OpenSSL.

import TLS

/// `[listen] sslmode`.
package enum ClientSSLMode: String, CaseIterable, Sendable {
    /// An SSLRequest is answered with N.
    case disable
    /// The client chooses.
    case allow
    /// A client without TLS is refused.
    case require
    /// TLS is between the client and the server. pgleash relays it and can't read it.
    case passthrough
}

/// libpq's `sslmode`.
package enum SSLMode: String, CaseIterable, Sendable {
    case disable
    case prefer
    case require
    case verifyCA = "verify-ca"
    case verifyFull = "verify-full"
}

/// libpq's `sslnegotiation`.
package enum SSLNegotiation: String, CaseIterable, Sendable {
    /// An SSLRequest comes first.
    case postgres
    /// TLS begins at once; PostgreSQL supports this from version 17 on.
    case direct
}

extension Configuration.ListenTLS {
    /// A contradiction between settings; nil when there is none.
    var contradiction: Contradiction? {
        guard mode == .allow || mode == .require, options == nil else { return nil }
        return Contradiction("sslmode", "sslmode = \(mode.rawValue) needs ssl_cert_file and ssl_key_file")
    }

    package var options: TLSServerOptions? {
        guard let certificate, let key else { return nil }
        var options = TLSServerOptions(certificate: certificate, key: key)
        options.clientAuthorities = clientAuthorities
        options.minimumVersion = minimumVersion
        options.ciphers = ciphers
        return options
    }
}

extension Configuration.ServerTLS {
    /// A contradiction between settings, as in libpq; nil when there is none.
    var contradiction: Contradiction? {
        let isVerified = mode == .verifyCA || mode == .verifyFull
        if isVerified, rootCertificates == nil {
            return Contradiction("sslmode", "sslmode = \(mode.rawValue) needs sslrootcert")
        }
        if rootCertificates == .system, mode != .verifyFull {
            let reason =
                "weak sslmode \"\(mode.rawValue)\" may not be used with sslrootcert=system (use \"verify-full\")"
            return Contradiction("sslrootcert", reason)
        }
        if negotiation == .direct, mode == .disable || mode == .prefer {
            let reason = "sslnegotiation = direct needs sslmode = require, verify-ca or verify-full"
            return Contradiction("sslnegotiation", reason)
        }
        if (certificate == nil) != (key == nil) {
            return Contradiction(key == nil ? "sslcert" : "sslkey", "sslcert and sslkey must be set together")
        }
        if revocationList != nil, rootCertificates == nil { return Contradiction("sslcrl", "sslcrl needs sslrootcert") }
        if let maximumVersion, maximumVersion < minimumVersion {
            let reason = "ssl_min_protocol_version is above ssl_max_protocol_version"
            return Contradiction("ssl_max_protocol_version", reason)
        }
        return nil
    }

    package var options: TLSClientOptions {
        var options = TLSClientOptions()
        // As in libpq, configured authorities are verified with `require`, too; with `prefer` nothing is verified.
        options.authorities = mode == .prefer ? nil : rootCertificates
        options.checksName = mode == .verifyFull
        options.revocationList = mode == .prefer ? nil : revocationList
        options.certificate = certificate
        options.key = key
        options.sendsServerName = sendsServerName
        options.minimumVersion = minimumVersion
        options.maximumVersion = maximumVersion
        return options
    }
}
