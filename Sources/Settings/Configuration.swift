// All settings with their defaults and bounds. ConfigurationFile reads them, Setting names the keys.

import Logging
import Reactor
import TLS

/// The settings of one pgleash process, which do not change after its start.
package struct Configuration: Sendable {
    /// The addresses that clients connect to.
    package struct Listen: Sendable {
        /// Addresses, names, socket directories, or `*` for all of the machine's addresses.
        package var hosts = ["127.0.0.1"]
        package var port: UInt16 = 6432
        /// The largest number of clients at the same time.
        package var maxSessions = 10_000
        /// The time for a client's StartupMessage.
        package var authenticationTimeout = Duration.seconds(60)
        package var keepalive = Keepalive.default
        package var tls = ListenTLS()
    }

    /// The encryption of clients' connections, and the certificate for clients.
    package struct ListenTLS: Equatable, Sendable {
        package var mode = ClientSSLMode.disable
        package var certificate: String?
        package var key: String?
        package var clientAuthorities: String?
        package var minimumVersion = TLSVersion.tls12
        package var ciphers = TLSServerOptions.defaultCiphers

        package init() {}
    }

    /// The PostgreSQL server.
    package struct Server: Sendable {
        /// Tried in turn, as are the addresses that each name resolves to.
        package var hosts = ["127.0.0.1"]
        package var port: UInt16 = 5432
        /// The timeout for each address.
        package var connectTimeout = Duration.seconds(10)
        package var keepalive = Keepalive.default
        package var tls = ServerTLS()
    }

    /// The encryption of connections to the server, and the server's required proofs.
    package struct ServerTLS: Equatable, Sendable {
        package var mode = SSLMode.prefer
        package var negotiation = SSLNegotiation.postgres
        package var rootCertificates: TLSClientOptions.Authorities?
        package var revocationList: String?
        package var certificate: String?
        package var key: String?
        package var sendsServerName = true
        package var minimumVersion = TLSVersion.tls12
        package var maximumVersion: TLSVersion?

        package init() {}
    }

    /// The cancelling of orphans.
    package struct Cancel: Sendable {
        /// The time from the drop until an orphan is given up.
        package var timeout = Duration.seconds(30)
        /// The timeout for each cancel connection.
        package var attemptTimeout = Duration.seconds(5)
        /// The number of cancel connections at a time: the server forks a process for each.
        package var maxConcurrent = 16
        /// The time from the drop until the first cancel; less than `timeout`.
        package var grace = Duration.zero
        /// The time from the drop after which a backend that ignores cancels is ended; zero for never.
        package var terminateAfter = Duration.zero
        package var exclusion = Exclusion()
        /// The number of bytes, of all sessions together, that may be read ahead of servers that do not read, to detect
        /// the end of their clients.
        package var readAhead = 64 * 1024 * 1024
    }

    /// The login of the monitor.
    package struct Monitor: Sendable {
        /// libpq's keywords with their values.
        package var keywords: [String: String] = ["dbname": "postgres", "gssencmode": "disable"]
        /// The file that records sessions, for the case that this process is killed; nil for none.
        package var recoveryFile: String?

        package var isOn: Bool { keywords["user"] != nil }
    }

    /// The HTTP endpoints for monitoring.
    package struct HTTP: Sendable {
        /// Nil where there are none.
        package var listen: HTTPAddress?
        /// Further names that a request may be for.
        package var allowedHosts: [String] = []
    }

    /// A label of metrics by login.
    package enum LoginLabel: String, CaseIterable, Sendable { case user, database }

    package var listen = Listen()
    package var server = Server()
    package var cancel = Cancel()
    package var monitor = Monitor()
    package var http = HTTP()
    /// The file of the report that SIGUSR1 requests; standard error where there is none.
    package var metricsFile: String?
    /// The labels of the metrics by login; none for no such metrics.
    package var metricLabels: Set<LoginLabel> = []
    /// The number of worker threads.
    package var workers = min(4, processorCount())
    package static let workerBounds = 1...256
    package var logLevel = Logger.Level.info
    package var logFormat = LogFormat.auto
    /// Each connection of a client, and each login, is logged.
    package var logsConnections = false
    /// Each end of a client's connection is logged.
    package var logsDisconnections = false
    /// The file that was read; nil where there was none.
    package internal(set) var file: String?
    /// The origin of each key that is not the default, by its name.
    var origins: [String: Origin] = [:]
    /// Warnings about keys that are set twice or without effect.
    var inputWarnings: [ConfigurationWarning] = []

    package init() {}

    /// The number of bytes of one receive: it limits the work of one wake-up, and the bytes that a session keeps for a
    /// peer that does not read.
    package static let receiveBufferSize = 128 * 1024
}

extension Keepalive {
    /// A dead host is noticed within 45 seconds. There is no user timeout, as it would end connections to peers that
    /// are alive and do not read.
    static let `default` = Keepalive(idle: .seconds(30), interval: .seconds(5), count: 3, userTimeout: .zero)
}

extension Configuration {
    /// A key with its section, as in messages.
    static func name(of key: String, in section: String) -> String { "[\(section)] \(key)" }

    /// A key for messages, with its origin.
    package func naming(_ key: String, in section: String) -> String {
        let name = Self.name(of: key, in: section)
        return origins[name].map { "\($0): \(name)" } ?? name
    }

    /// The error that libpq does not accept the settings of the monitor.
    ///
    /// - Parameter reason: libpq's words, which mostly name the key.
    package func monitorError(_ reason: String) -> String {
        let key = Setting.monitor.map(\.key).first {
            reason.contains($0) && origins[Self.name(of: $0, in: "monitor")] != nil
        }
        return key.map { "\(naming($0, in: "monitor")): \(reason)" } ?? "[monitor]: \(reason)"
    }

    /// - Throws: `ConfigurationError` where settings contradict each other.
    package func validate() throws(ConfigurationError) {
        if let contradiction = listen.tls.contradiction { throw error(contradiction, in: "listen") }
        if let contradiction = server.tls.contradiction { throw error(contradiction, in: "server") }
        if listen.tls.mode == .passthrough, !monitor.isOn {
            let reason = "sslmode = passthrough needs [monitor] user: nothing else can find what such a client runs"
            throw error(Contradiction("sslmode", reason), in: "listen")
        }
        if listen.tls.mode == .passthrough, server.endpoints.allSatisfy(\.isSocketDirectory) {
            let reason = "sslmode = passthrough needs a [server] host that is no socket directory: those have no TLS"
            throw error(Contradiction("sslmode", reason), in: "listen")
        }
        if monitor.recoveryFile != nil, !monitor.isOn {
            throw error(Contradiction("recovery_file", "recovery_file needs user"), in: "monitor")
        }
        if cancel.grace >= cancel.timeout {
            let reason = "grace must be less than timeout (\(cancel.timeout))"
            throw error(Contradiction("grace", reason), in: "cancel")
        }
        if cancel.terminateAfter >= cancel.timeout {
            let reason = "terminate_after must be less than timeout (\(cancel.timeout))"
            throw error(Contradiction("terminate_after", reason), in: "cancel")
        }
    }

    private func error(_ contradiction: Contradiction, in section: String) -> ConfigurationError {
        let origin = origins[Self.name(of: contradiction.key, in: section)]
        return ConfigurationError("[\(section)] \(contradiction.reason)", at: origin, orIn: file)
    }

    /// The server is pgleash itself, which would connect to itself without end, as far as this is known without a name
    /// server.
    package var isLoop: Bool {
        isServer(among: OwnAddresses(listen.endpoints.joined().flatMap(\.addressesOnHand)))
            || listen.endpoints.joined().contains { server.endpoints.contains($0) }
    }

    /// The error for this case.
    package var loopError: String {
        "\(naming("host", in: "server")) and port are those that pgleash itself listens on"
    }

    /// Whether one of the server's addresses, as far as they are known without a name server, is pgleash's own.
    package func isServer(among own: OwnAddresses) -> Bool {
        server.endpoints.flatMap(\.addressesOnHand).contains { own.contains($0) }
    }
}

/// Settings of one section that contradict each other.
struct Contradiction {
    /// The key that most likely must be changed.
    let key: String
    let reason: String

    init(_ key: String, _ reason: String) {
        (self.key, self.reason) = (key, reason)
    }
}

extension Configuration.Listen {
    /// The endpoints of each host: `*` stands for both families.
    package var endpoints: [[Endpoint]] {
        hosts.map { ($0 == "*" ? ["0.0.0.0", "::"] : [$0]).map { Endpoint(host: $0, port: port) } }
    }
}

extension Configuration.Server {
    package var endpoints: [Endpoint] {
        hosts.map { Endpoint(host: $0, port: port) }
    }
}
