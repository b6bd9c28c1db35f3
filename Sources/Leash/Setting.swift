// The keys of the configuration file: their names, what is allowed, and where each goes. Names and units are those of
// libpq and postgresql.conf where these have one.

import Logging

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
        Setting(section: "server", key: "host", allowed: hostList) { configuration, value in
            set(&configuration.server.hosts, value.contains("*") ? nil : hosts(value))
        },
        Setting(section: "server", key: "port", allowed: "1 to 65535") { configuration, value in
            set(&configuration.server.port, integer(value, 1...65_535))
        },
        Setting(section: "server", key: "connect_timeout", allowed: "1s to 1h") { configuration, value in
            set(&configuration.server.connectTimeout, duration(value, .seconds(1)...(.seconds(3600))))
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
        Setting(section: "metrics", key: "file", allowed: "an absolute path") { configuration, value in
            set(&configuration.metricsFile, value.hasPrefix("/") ? value : nil)
        },
        Setting(section: "pgleash", key: "workers", allowed: "1 to 256") { configuration, value in
            set(&configuration.workers, integer(value, Configuration.workerBounds))
        },
        Setting(section: "pgleash", key: "log_level", allowed: logLevels) { configuration, value in
            set(&configuration.logLevel, Logger.Level(rawValue: value.lowercased()))
        },
    ]

    static let logLevels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
    private static let hostList = "addresses, host names or socket directories, separated by commas"
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

private func hosts(_ value: String) -> [String]? {
    let hosts = value.split(separator: ",", omittingEmptySubsequences: false).map { word in
        let host = word.trimmed
        // The brackets of an IPv6 address, as they stand before a port.
        return String(host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host)
    }
    return hosts.contains("") ? nil : hosts
}

private func integer<Value: FixedWidthInteger>(_ text: String, _ bounds: ClosedRange<Value>) -> Value? {
    guard let value = Value(text), bounds.contains(value) else { return nil }
    return value
}

/// A whole number with a unit of postgresql.conf; without one, seconds.
private func duration(_ text: String, _ bounds: ClosedRange<Duration>) -> Duration? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let count = Int64(digits), count < 1_000_000_000 else { return nil }
    let unit: Duration
    switch text[digits.endIndex...].trimmed {
    case "us": unit = .microseconds(1)
    case "ms": unit = .milliseconds(1)
    case "", "s": unit = .seconds(1)
    case "min": unit = .seconds(60)
    case "h": unit = .seconds(3600)
    case "d": unit = .seconds(86_400)
    default: return nil
    }
    let value = unit * Int(count)
    return bounds.contains(value) ? value : nil
}
