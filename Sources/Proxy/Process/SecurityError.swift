// The reason why TLS could not be set up, with the configuration key that it is about.

import Settings
import TLS

/// An error for the author of the configuration.
package struct SecurityError: Error, CustomStringConvertible {
    package let description: String
    /// The configuration itself is wrong. A file that cannot be used may be replaced before the next start.
    package let isConfigurationError: Bool

    init(_ error: TLSError, in section: String, of configuration: Configuration) {
        switch error.part {
        case .minimumVersion, .maximumVersion, .ciphers: isConfigurationError = true
        case .certificate, .key, .authorities, .revocationList, nil: isConfigurationError = false
        }
        guard let part = error.part, let key = keys[section]?[part] else {
            description = "[\(section)] \(error)"
            return
        }
        let value = part == .ciphers ? " = \"\(configuration.listen.tls.ciphers)\"" : ""
        description = "\(configuration.naming(key, in: section))\(value): \(error)"
    }
}

/// The keys of each section by the part of TLS that they set.
private let keys: [String: [TLSError.Part: String]] = [
    "listen": [
        .certificate: "ssl_cert_file", .key: "ssl_key_file", .authorities: "ssl_ca_file",
        .minimumVersion: "ssl_min_protocol_version", .ciphers: "ssl_ciphers",
    ],
    "server": [
        .certificate: "sslcert", .key: "sslkey", .authorities: "sslrootcert", .revocationList: "sslcrl",
        .minimumVersion: "ssl_min_protocol_version", .maximumVersion: "ssl_max_protocol_version",
    ],
]
