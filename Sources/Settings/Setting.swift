// The keys of the configuration file: their names, what is allowed, and where each goes. Names and units are those of
// libpq and postgresql.conf where these have one.

import Logging
import TLS

/// One key of the configuration file.
struct Setting: Sendable {
    let section: String
    let key: String
    /// What is allowed, as the error message says it.
    let allowed: String
    /// The value is a time, with a unit.
    var isTime = false
    /// Sets the value; false when it is not allowed.
    let apply: @Sendable (inout Configuration, String) -> Bool

    static let all: [Setting] = [
        Setting(section: "listen", key: "host", allowed: hostList + ", or \"*\"") { configuration, value in
            set(&configuration.listen.hosts, hosts(value))
        },
        Setting(section: "listen", key: "port", allowed: "1 to 65535") { configuration, value in
            set(&configuration.listen.port, integer(value, 1...65_535))
        },
        Setting(section: "listen", key: "max_sessions", allowed: "1 to 1000000") { configuration, value in
            set(&configuration.listen.maxSessions, integer(value, 1...1_000_000))
        },
        Setting(section: "listen", key: "authentication_timeout", allowed: "1s to 600s", isTime: true) {
            configuration, value in
            set(&configuration.listen.authenticationTimeout, duration(value, .seconds(1)...(.seconds(600))))
        },
        Setting(section: "listen", key: "tcp_keepalives_idle", allowed: wholeSeconds, isTime: true) {
            configuration, value in
            set(&configuration.listen.keepalive.idle, seconds(value))
        },
        Setting(section: "listen", key: "tcp_keepalives_interval", allowed: wholeSeconds, isTime: true) {
            configuration, value in
            set(&configuration.listen.keepalive.interval, seconds(value))
        },
        Setting(section: "listen", key: "tcp_keepalives_count", allowed: "0 to 127") { configuration, value in
            set(&configuration.listen.keepalive.count, integer(value, 0...127))
        },
        Setting(section: "listen", key: "tcp_user_timeout", allowed: "0 to 1d", isTime: true) { configuration, value in
            set(&configuration.listen.keepalive.userTimeout, milliseconds(value))
        },
        Setting(section: "listen", key: "sslmode", allowed: choices(of: ClientSSLMode.self)) { configuration, value in
            set(&configuration.listen.tls.mode, ClientSSLMode(rawValue: value))
        },
        Setting(section: "listen", key: "ssl_cert_file", allowed: absolutePath) { configuration, value in
            set(&configuration.listen.tls.certificate, path(value))
        },
        Setting(section: "listen", key: "ssl_key_file", allowed: absolutePath) { configuration, value in
            set(&configuration.listen.tls.key, path(value))
        },
        Setting(section: "listen", key: "ssl_ca_file", allowed: absolutePath) { configuration, value in
            set(&configuration.listen.tls.clientAuthorities, path(value))
        },
        Setting(section: "listen", key: "ssl_min_protocol_version", allowed: choices(of: TLSVersion.self)) {
            configuration, value in
            set(&configuration.listen.tls.minimumVersion, TLSVersion(rawValue: value))
        },
        Setting(section: "listen", key: "ssl_ciphers", allowed: "a list of OpenSSL's ciphers") { configuration, value in
            set(&configuration.listen.tls.ciphers, value.isEmpty ? nil : value)
        },
        Setting(section: "server", key: "host", allowed: hostList) { configuration, value in
            set(&configuration.server.hosts, value.contains("*") ? nil : hosts(value))
        },
        Setting(section: "server", key: "port", allowed: "1 to 65535") { configuration, value in
            set(&configuration.server.port, integer(value, 1...65_535))
        },
        Setting(section: "server", key: "connect_timeout", allowed: "1s to 1h", isTime: true) { configuration, value in
            set(&configuration.server.connectTimeout, duration(value, .seconds(1)...(.seconds(3600))))
        },
        Setting(section: "server", key: "tcp_keepalives_idle", allowed: wholeSeconds, isTime: true) {
            configuration, value in
            set(&configuration.server.keepalive.idle, seconds(value))
        },
        Setting(section: "server", key: "tcp_keepalives_interval", allowed: wholeSeconds, isTime: true) {
            configuration, value in
            set(&configuration.server.keepalive.interval, seconds(value))
        },
        Setting(section: "server", key: "tcp_keepalives_count", allowed: "0 to 127") { configuration, value in
            set(&configuration.server.keepalive.count, integer(value, 0...127))
        },
        Setting(section: "server", key: "tcp_user_timeout", allowed: "0 to 1d", isTime: true) { configuration, value in
            set(&configuration.server.keepalive.userTimeout, milliseconds(value))
        },
        Setting(section: "server", key: "sslmode", allowed: choices(of: SSLMode.self)) { configuration, value in
            set(&configuration.server.tls.mode, SSLMode(rawValue: value))
        },
        Setting(section: "server", key: "sslnegotiation", allowed: choices(of: SSLNegotiation.self)) {
            configuration, value in
            set(&configuration.server.tls.negotiation, SSLNegotiation(rawValue: value))
        },
        Setting(section: "server", key: "sslrootcert", allowed: absolutePath + ", or \"system\"") {
            configuration, value in
            set(&configuration.server.tls.rootCertificates, value == "system" ? .system : path(value).map { .file($0) })
        },
        Setting(section: "server", key: "sslcrl", allowed: absolutePath) { configuration, value in
            set(&configuration.server.tls.revocationList, path(value))
        },
        Setting(section: "server", key: "sslcert", allowed: absolutePath) { configuration, value in
            set(&configuration.server.tls.certificate, path(value))
        },
        Setting(section: "server", key: "sslkey", allowed: absolutePath) { configuration, value in
            set(&configuration.server.tls.key, path(value))
        },
        Setting(section: "server", key: "sslsni", allowed: "0 or 1") { configuration, value in
            set(&configuration.server.tls.sendsServerName, ["0": false, "1": true][value])
        },
        Setting(section: "server", key: "ssl_min_protocol_version", allowed: choices(of: TLSVersion.self)) {
            configuration, value in
            set(&configuration.server.tls.minimumVersion, TLSVersion(rawValue: value))
        },
        Setting(section: "server", key: "ssl_max_protocol_version", allowed: choices(of: TLSVersion.self)) {
            configuration, value in
            set(&configuration.server.tls.maximumVersion, TLSVersion(rawValue: value))
        },
        Setting(section: "cancel", key: "timeout", allowed: "1s to 1h", isTime: true) { configuration, value in
            set(&configuration.cancel.timeout, duration(value, .seconds(1)...(.seconds(3600))))
        },
        Setting(section: "cancel", key: "attempt_timeout", allowed: "100ms to 60s", isTime: true) {
            configuration, value in
            set(&configuration.cancel.attemptTimeout, duration(value, .milliseconds(100)...(.seconds(60))))
        },
        Setting(section: "cancel", key: "max_concurrent", allowed: "1 to 1000") { configuration, value in
            set(&configuration.cancel.maxConcurrent, integer(value, 1...1000))
        },
        Setting(section: "cancel", key: "grace", allowed: "0 to 1h, less than timeout", isTime: true) {
            configuration, value in
            set(&configuration.cancel.grace, duration(value, .zero...(.seconds(3600))))
        },
        Setting(section: "cancel", key: "exclude_user", allowed: nameList) { configuration, value in
            set(&configuration.cancel.exclusion.users, names(value))
        },
        Setting(section: "cancel", key: "exclude_database", allowed: nameList) { configuration, value in
            set(&configuration.cancel.exclusion.databases, names(value))
        },
        Setting(section: "cancel", key: "exclude_application_name", allowed: nameList) { configuration, value in
            set(&configuration.cancel.exclusion.applicationNames, names(value))
        },
        Setting(section: "cancel", key: "read_ahead", allowed: "0 to 1TB, with a unit: B, kB, MB, GB, TB") {
            configuration, value in
            set(&configuration.cancel.readAhead, size(value, 0...(1 << 40)))
        },
        Setting(section: "metrics", key: "file", allowed: absolutePath) { configuration, value in
            set(&configuration.metricsFile, path(value))
        },
        Setting(section: "pgleash", key: "workers", allowed: "1 to 256") { configuration, value in
            set(&configuration.workers, integer(value, Configuration.workerBounds))
        },
        Setting(section: "pgleash", key: "log_level", allowed: logLevels) { configuration, value in
            set(&configuration.logLevel, Logger.Level(rawValue: value.lowercased()))
        },
    ]

    static let logLevels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
    /// What else an error may say of a value that is not allowed; nil where `allowed` says it all.
    func hint(for value: String) -> String? {
        if hasComment(value, marks: ["#", ";"]) { return "a comment needs a line of its own" }
        if value.contains(where: isQuote) { return "values stand without quotes" }
        return isTime && !hasTimeUnit(value) ? "a time is a whole number with us, ms, s, min, h or d" : nil
    }

    private static let hostList =
        "addresses, host names or socket directories, separated by commas; the port has a key of its own"
    private static let nameList = "names separated by commas, without quotes"
    private static let absolutePath = "an absolute path"
    private static let wholeSeconds = "0 to 32767s, whole seconds"
}

extension Configuration {
    /// Sets a key to what a command-line option says; false when that is not allowed.
    package mutating func apply(_ value: String, to key: String, in section: String) -> Bool {
        guard let setting = Setting.all.first(where: { $0.section == section && $0.key == key }) else { return false }
        return setting.apply(&self, value)
    }
}
