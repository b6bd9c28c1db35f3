// What is allowed in a configuration and is probably not what was meant. None of it keeps pgleash from starting.

import Logging
import Reactor

/// One such setting.
package struct ConfigurationWarning: Equatable, Sendable, CustomStringConvertible {
    /// The key, with its file and line where it stands in one.
    package let setting: String
    package let reason: String

    package var description: String { "\(setting): \(reason)" }

    package func log(_ log: Logger) {
        let metadata: Logger.Metadata = ["setting": "\(setting)", "reason": "\(reason)"]
        log.warning("a setting is probably not what was meant", metadata: metadata)
    }
}

extension Configuration {
    /// In the order of the sections.
    package var warnings: [ConfigurationWarning] {
        listenWarnings + serverWarnings + metricsWarnings
    }

    private var listenWarnings: [ConfigurationWarning] {
        let tls = listen.tls
        switch tls.mode {
        case .disable:
            return warn(
                "listen", "not used: sslmode is disable",
                ("ssl_cert_file", tls.certificate != nil), ("ssl_key_file", tls.key != nil),
                ("ssl_ca_file", tls.clientAuthorities != nil)
            )
        case .allow:
            let reason = "a client without TLS needs no certificate: sslmode is allow, not require"
            return warn("listen", reason, ("ssl_ca_file", tls.clientAuthorities != nil))
        case .require:
            return []
        }
    }

    private var serverWarnings: [ConfigurationWarning] {
        let tls = server.tls
        let checks = [("sslrootcert", tls.rootCertificates != nil), ("sslcrl", tls.revocationList != nil)]
        let proofs = [("sslcert", tls.certificate != nil), ("sslkey", tls.key != nil)]
        switch tls.mode {
        case .disable: return (checks + proofs).flatMap { warn("server", "not used: sslmode is disable", $0) }
        case .prefer:
            let reason = "not used: sslmode is prefer, and nothing is verified"
            return checks.flatMap { warn("server", reason, $0) }
        case .require, .verifyCA, .verifyFull: return []
        }
    }

    /// What is missing or may not be seen may be another thing for pgleash, once it runs.
    private var metricsWarnings: [ConfigurationWarning] {
        guard let metricsFile else { return [] }
        do throws(ReplacementError) {
            _ = try ReplaceableFile(at: metricsFile)
            return []
        } catch {
            return error == .notRegular ? warn("metrics", "can't be replaced: \(error)", ("file", true)) : []
        }
    }

    /// What is said where the certificate that clients are shown has expired.
    package var expired: ConfigurationWarning {
        ConfigurationWarning(setting: naming("ssl_cert_file", in: "listen"), reason: "the certificate has expired")
    }

    /// A warning for each of the keys that is set.
    private func warn(
        _ section: String, _ reason: String, _ keys: (name: String, isSet: Bool)...
    ) -> [ConfigurationWarning] {
        keys.filter(\.isSet).map { ConfigurationWarning(setting: naming($0.name, in: section), reason: reason) }
    }
}
