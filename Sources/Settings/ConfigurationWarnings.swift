// Warnings about settings that are allowed but probably mistakes. pgleash starts nevertheless.

import Logging
import Reactor

/// A warning about one setting.
package struct ConfigurationWarning: Equatable, Sendable, CustomStringConvertible {
    /// The key, with its file and line if it is in a file.
    package let setting: String
    package let reason: String

    package var description: String { "\(setting): \(reason)" }

    package func log(_ log: Logger) {
        let metadata: Logger.Metadata = ["setting": "\(setting)", "reason": "\(reason)"]
        log.warning("suspicious setting", metadata: metadata)
    }
}

extension Configuration {
    /// All warnings, in the order of the sections.
    package var warnings: [ConfigurationWarning] {
        inputWarnings + listenWarnings + plainTextWarnings + serverWarnings + monitorWarnings + timeoutWarnings
            + metricsWarnings + httpWarnings
    }

    /// Passwords and data of clients on other machines can be eavesdropped on.
    private var plainTextWarnings: [ConfigurationWarning] {
        let isOpen = listen.endpoints.joined().contains { endpoint in
            !endpoint.host.hasPrefix("/") && endpoint.addressesOnHand.contains { !$0.isLoopback }
        }
        guard listen.tls.mode == .disable, isOpen else { return [] }
        return warn("listen", "clients on other machines connect without TLS: sslmode is disable", ("host", true))
    }

    /// Without a unit the key is in milliseconds, unlike all others.
    private var timeoutWarnings: [ConfigurationWarning] {
        [("listen", listen.keepalive), ("server", server.keepalive)].flatMap { section, keepalive in
            let isShort = keepalive.userTimeout > .zero && keepalive.userTimeout < .seconds(1)
            let reason =
                "\(durationText(keepalive.userTimeout)) is very short; without a unit the value is in milliseconds"
            return warn(section, reason, ("tcp_user_timeout", isShort))
        }
    }

    private var listenWarnings: [ConfigurationWarning] {
        let tls = listen.tls
        switch tls.mode {
        case .disable, .passthrough:
            return warn(
                "listen", "not used: sslmode is \(tls.mode.rawValue)",
                ("ssl_cert_file", tls.certificate != nil), ("ssl_key_file", tls.key != nil),
                ("ssl_ca_file", tls.clientAuthorities != nil),
                ("ssl_min_protocol_version", tls.minimumVersion != ListenTLS().minimumVersion),
                ("ssl_ciphers", tls.ciphers != ListenTLS().ciphers)
            ) + passthroughWarnings
        case .allow:
            let reason = "a client without TLS needs no certificate: sslmode is allow, not require"
            return warn("listen", reason, ("ssl_ca_file", tls.clientAuthorities != nil))
        case .require:
            return []
        }
    }

    private var passthroughWarnings: [ConfigurationWarning] {
        guard listen.tls.mode == .passthrough else { return [] }
        let isLocal = server.endpoints.contains(where: \.isSocketDirectory)
        return warn("server", "a socket directory has no TLS that could be passed through", ("host", isLocal))
            + warn(
                "monitor", "sessions whose TLS is passed through are not recorded",
                ("recovery_file", monitor.recoveryFile != nil)
            )
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

    private var monitorWarnings: [ConfigurationWarning] {
        guard !monitor.isOn else {
            let hasTCP = server.endpoints.contains { !$0.isSocketDirectory }
            return warn("monitor", "not used: all addresses of the server are Unix sockets", ("user", !hasTCP))
                + monitorFileWarnings
        }
        let reason = "not used: [monitor] user is not set"
        let keys = Setting.monitor.filter { origins[$0.name] != nil }.map { ($0.key, true) }
        return warn("cancel", reason, ("terminate_after", cancel.terminateAfter > .zero))
            + keys.flatMap { warn("monitor", reason, $0) }
    }

    /// libpq connects without these files, or without their contents, and the server says only that the login failed.
    private var monitorFileWarnings: [ConfigurationWarning] {
        ["passfile", "sslcert", "sslkey", "sslcrl"].flatMap { key -> [ConfigurationWarning] in
            let isPassfile = key == "passfile"
            // A key can be in an engine, as ENGINE:KEY; and a password goes before a passfile.
            guard let path = monitor.keywords[key], path.hasPrefix("/"),
                !isPassfile || monitor.keywords["password"] == nil
            else { return [] }
            return switch FileKind(at: path) {
            case .missing: warn("monitor", "there is no such file", (key, true))
            case .regular(let mode):
                warn(
                    "monitor", "libpq ignores it, as others may read it; its mode must be 0600",
                    (key, isPassfile && mode & 0o077 != 0)
                )
            case .other: warn("monitor", "it is not a regular file", (key, true))
            case .unknown: []
            }
        }
    }

    /// A file without permission to check it may be accessible to pgleash at runtime.
    private var metricsWarnings: [ConfigurationWarning] {
        guard let metricsFile else { return [] }
        do throws(ReplacementError) {
            let file = try ReplaceableFile(at: metricsFile)
            return warn("metrics", "its directory does not exist yet", ("file", !file.hasDirectory))
        } catch {
            return error == .notRegular ? warn("metrics", "can't be replaced: \(error)", ("file", true)) : []
        }
    }

    /// The endpoints have no login.
    private var httpWarnings: [ConfigurationWarning] {
        let reason = "other machines can read the names of users and databases, and the addresses of clients"
        return warn("http", reason, ("listen", http.listen?.isOpen == true))
    }

    /// Adds a warning for each option given more than once.
    package mutating func noteRepeatedOptions(in arguments: [String]) {
        let names = arguments.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0 != "=" }) }
        for name in Set(names).sorted() where names.count(where: { $0 == name }) > 1 {
            let reason = "it is given more than once; the last one counts"
            inputWarnings.append(ConfigurationWarning(setting: "option \(name)", reason: reason))
        }
    }

    /// The warning about an expired certificate for clients.
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
