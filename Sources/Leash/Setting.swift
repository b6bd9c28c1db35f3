// The keys of the configuration file: their names, what is allowed, and where each goes. Names and units are those of
// libpq and postgresql.conf where these have one.

import Logging
import TLS

/// One key of the configuration file.
struct Setting: Sendable {
    let section: String
    let key: String
    /// What is allowed, as the error message ends.
    let allowed: String
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
        Setting(section: "listen", key: "authentication_timeout", allowed: "1s to 600s") { configuration, value in
            set(&configuration.listen.authenticationTimeout, duration(value, .seconds(1)...(.seconds(600))))
        },
        Setting(section: "listen", key: "tcp_keepalives_idle", allowed: wholeSeconds) { configuration, value in
            set(&configuration.listen.keepalive.idle, seconds(value))
        },
        Setting(section: "listen", key: "tcp_keepalives_interval", allowed: wholeSeconds) { configuration, value in
            set(&configuration.listen.keepalive.interval, seconds(value))
        },
        Setting(section: "listen", key: "tcp_keepalives_count", allowed: "0 to 127") { configuration, value in
            set(&configuration.listen.keepalive.count, integer(value, 0...127))
        },
        Setting(section: "listen", key: "tcp_user_timeout", allowed: "0 to 1d") { configuration, value in
            set(&configuration.listen.keepalive.userTimeout, milliseconds(value))
        },
        Setting(section: "server", key: "host", allowed: hostList) { configuration, value in
            set(&configuration.server.hosts, value.contains("*") ? nil : hosts(value))
        },
        Setting(section: "server", key: "port", allowed: "1 to 65535") { configuration, value in
            set(&configuration.server.port, integer(value, 1...65_535))
        },
        Setting(section: "server", key: "connect_timeout", allowed: "1s to 1h") { configuration, value in
            set(&configuration.server.connectTimeout, duration(value, .seconds(1)...(.seconds(3600))))
        },
        Setting(section: "server", key: "tcp_keepalives_idle", allowed: wholeSeconds) { configuration, value in
            set(&configuration.server.keepalive.idle, seconds(value))
        },
        Setting(section: "server", key: "tcp_keepalives_interval", allowed: wholeSeconds) { configuration, value in
            set(&configuration.server.keepalive.interval, seconds(value))
        },
        Setting(section: "server", key: "tcp_keepalives_count", allowed: "0 to 127") { configuration, value in
            set(&configuration.server.keepalive.count, integer(value, 0...127))
        },
        Setting(section: "server", key: "tcp_user_timeout", allowed: "0 to 1d") { configuration, value in
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
        Setting(section: "cancel", key: "timeout", allowed: "1s to 1h") { configuration, value in
            set(&configuration.cancel.timeout, duration(value, .seconds(1)...(.seconds(3600))))
        },
        Setting(section: "cancel", key: "attempt_timeout", allowed: "100ms to 60s") { configuration, value in
            set(&configuration.cancel.attemptTimeout, duration(value, .milliseconds(100)...(.seconds(60))))
        },
        Setting(section: "cancel", key: "max_concurrent", allowed: "1 to 1000") { configuration, value in
            set(&configuration.cancel.maxConcurrent, integer(value, 1...1000))
        },
        Setting(section: "cancel", key: "grace", allowed: "0 to 1h, less than timeout") { configuration, value in
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

// MARK: - Reading values

private func set<Value>(_ place: inout Value, _ value: Value?) -> Bool {
    guard let value else { return false }
    place = value
    return true
}

private func set<Value>(_ place: inout Value?, _ value: Value?) -> Bool {
    guard let value else { return false }
    place = value
    return true
}

private func path(_ value: String) -> String? { value.hasPrefix("/") ? value : nil }

/// The words of an enumeration, as the error message has them.
private func choices<Choice: CaseIterable & RawRepresentable<String>>(of: Choice.Type) -> String {
    Choice.allCases.map(\.rawValue).joined(separator: ", ")
}

private func hosts(_ value: String) -> [String]? {
    let hosts = value.split(separator: ",", omittingEmptySubsequences: false).map { word in
        let host = word.trimmed
        // The brackets of an IPv6 address, as they stand before a port.
        return String(host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host)
    }
    return hosts.contains { $0.isEmpty || hasPort($0) } ? nil : hosts
}

/// As other programs write it; an IPv6 address has more than one colon.
private func hasPort(_ host: String) -> Bool { !host.hasPrefix("/") && host.count { $0 == ":" } == 1 }

private func integer<Value: FixedWidthInteger>(_ text: String, _ bounds: ClosedRange<Value>) -> Value? {
    guard let value = Value(text), bounds.contains(value) else { return nil }
    return value
}

/// Nothing stands for no name at all.
private func names(_ value: String) -> Set<String>? {
    if value.isEmpty { return [] }
    let names = value.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmed) }
    return names.contains { $0.isEmpty || $0.contains("\"") || $0.contains(" #") } ? nil : Set(names)
}

/// What the kernel counts in whole seconds, with its bound.
private func seconds(_ text: String) -> Duration? {
    guard let value = duration(text, .zero...(.seconds(32_767))) else { return nil }
    return value.components.attoseconds == 0 ? value : nil
}

/// What postgresql.conf counts in milliseconds.
private func milliseconds(_ text: String) -> Duration? {
    duration(text, .zero...(.seconds(86_400)), unit: .milliseconds(1))
}

/// A whole number with a unit of postgresql.conf; `unit` stands for a missing one.
private func duration(
    _ text: String, _ bounds: ClosedRange<Duration>, unit missing: Duration = .seconds(1)
) -> Duration? {
    guard let (count, name) = quantity(text) else { return nil }
    let unit: Duration
    switch name {
    case "us": unit = .microseconds(1)
    case "ms": unit = .milliseconds(1)
    case "": unit = missing
    case "s": unit = .seconds(1)
    case "min": unit = .seconds(60)
    case "h": unit = .seconds(3600)
    case "d": unit = .seconds(86_400)
    default: return nil
    }
    let value = unit * count
    return bounds.contains(value) ? value : nil
}

/// Bytes: a whole number with a unit of postgresql.conf, which only 0 can do without.
private func size(_ text: String, _ bounds: ClosedRange<Int>) -> Int? {
    guard let (count, name) = quantity(text) else { return nil }
    let unit: Int
    switch name {
    case "B": unit = 1
    case "" where count == 0: unit = 1
    case "kB": unit = 1 << 10
    case "MB": unit = 1 << 20
    case "GB": unit = 1 << 30
    case "TB": unit = 1 << 40
    default: return nil
    }
    let (value, overflow) = count.multipliedReportingOverflow(by: unit)
    return !overflow && bounds.contains(value) ? value : nil
}

/// A number below 1,000,000,000 and what stands behind it.
private func quantity(_ text: String) -> (count: Int, unit: Substring)? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let count = Int(digits), count < 1_000_000_000 else { return nil }
    return (count, text[digits.endIndex...].trimmed)
}
