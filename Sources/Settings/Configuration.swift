// Everything that can be set, with its default and its bounds. Reading it from a file is ConfigurationFile's, naming
// the keys Setting's.

import Logging
import Reactor
import TLS

/// The settings of one pgleash, fixed from its start on.
package struct Configuration: Sendable {
    /// Where clients connect.
    package struct Listen: Sendable {
        /// Addresses, names, socket directories, or `*` for all of the machine's addresses.
        package var hosts = ["127.0.0.1"]
        package var port: UInt16 = 6432
        /// Clients served at the same time.
        package var maxSessions = 10_000
        /// Within which a client must have sent its StartupMessage.
        package var authenticationTimeout = Duration.seconds(60)
        package var keepalive = Keepalive.default
        package var tls = ListenTLS()
    }

    /// Whether clients' connections are encrypted, and what the clients are shown.
    package struct ListenTLS: Equatable, Sendable {
        package var mode = ClientSSLMode.disable
        package var certificate: String?
        package var key: String?
        package var clientAuthorities: String?
        package var minimumVersion = TLSVersion.tls12
        package var ciphers = TLSServerOptions.defaultCiphers

        package init() {}
    }

    /// Where the PostgreSQL server is.
    package struct Server: Sendable {
        /// Tried in turn; so are the addresses each name stands for.
        package var hosts = ["127.0.0.1"]
        package var port: UInt16 = 5432
        /// For each address that is tried.
        package var connectTimeout = Duration.seconds(10)
        package var keepalive = Keepalive.default
        package var tls = ServerTLS()
    }

    /// Whether connections to the server are encrypted, and what is to be proved.
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

    /// How orphans are cancelled.
    package struct Cancel: Sendable {
        /// From the drop on, after which an orphan is given up.
        package var timeout = Duration.seconds(30)
        /// For each cancel connection.
        package var attemptTimeout = Duration.seconds(5)
        /// Cancel connections at a time: each makes the server fork a process.
        package var maxConcurrent = 16
        /// From the drop on, before which nothing is cancelled; less than `timeout`.
        package var grace = Duration.zero
        package var exclusion = Exclusion()
        /// Bytes that may be read ahead of servers that don't read, in all, to see their clients' end.
        package var readAhead = 64 * 1024 * 1024
    }

    package var listen = Listen()
    package var server = Server()
    package var cancel = Cancel()
    /// The file SIGUSR1 writes the report to; standard error where there is none.
    package var metricsFile: String?
    /// Threads that relay.
    package var workers = min(4, processorCount())
    package static let workerBounds = 1...256
    package var logLevel = Logger.Level.info
    package var logFormat = LogFormat.auto
    /// Each client that connects, and each that logs in, is logged.
    package var logsConnections = false
    /// Each end of a client's connection is logged.
    package var logsDisconnections = false
    /// The file it was read from; nil where there was none.
    package internal(set) var file: String?
    /// Where each key was set that is not the default, by its name.
    var origins: [String: Origin] = [:]
    /// Warnings about keys that are set twice or in vain.
    var repetitions: [ConfigurationWarning] = []

    package init() {}

    /// Bytes taken from a socket at a time: the most one wake-up of a session does, and the most a session keeps for a
    /// peer that doesn't read.
    package static let receiveBufferSize = 128 * 1024
}

extension Keepalive {
    /// A host that has died is noticed within 45 seconds. There is no user time-out: it would end peers that live and
    /// just don't read.
    static let `default` = Keepalive(idle: .seconds(30), interval: .seconds(5), count: 3, userTimeout: .zero)
}

extension Configuration {
    /// A key with its section, as messages have it.
    static func name(of key: String, in section: String) -> String { "[\(section)] \(key)" }

    /// A key for messages, with the place where it was set.
    package func naming(_ key: String, in section: String) -> String {
        let name = Self.name(of: key, in: section)
        return origins[name].map { "\($0): \(name)" } ?? name
    }

    /// - Throws: `ConfigurationError` where settings that are allowed contradict each other.
    package func validate() throws(ConfigurationError) {
        if let contradiction = listen.tls.contradiction { throw error(contradiction, in: "listen") }
        if let contradiction = server.tls.contradiction { throw error(contradiction, in: "server") }
        if cancel.grace >= cancel.timeout {
            let reason = "grace must be less than timeout (\(cancel.timeout))"
            throw error(Contradiction("grace", reason), in: "cancel")
        }
    }

    private func error(_ contradiction: Contradiction, in section: String) -> ConfigurationError {
        let origin = origins[Self.name(of: contradiction.key, in: section)]
        return ConfigurationError("[\(section)] \(contradiction.reason)", at: origin, orIn: file)
    }

    /// The server is pgleash itself, which would connect to itself without end; as far as that can be told without
    /// asking a name server.
    package var isLoop: Bool {
        isServer(among: OwnAddresses(listen.endpoints.joined().flatMap(\.addressesOnHand)))
            || listen.endpoints.joined().contains { server.endpoints.contains($0) }
    }

    /// What is said where the server is pgleash itself.
    package var loopError: String {
        "\(naming("host", in: "server")) and port are those that pgleash itself listens on"
    }

    /// One of the server's addresses, as far as they can be told without asking a name server, is pgleash's own.
    package func isServer(among own: OwnAddresses) -> Bool {
        server.endpoints.flatMap(\.addressesOnHand).contains { own.contains($0) }
    }
}

/// Settings of one section that don't go together.
struct Contradiction {
    /// The key to be changed, most likely.
    let key: String
    let reason: String

    init(_ key: String, _ reason: String) {
        (self.key, self.reason) = (key, reason)
    }
}

extension Configuration.Listen {
    /// What each host stands for, with the port: `*` for both families, anything else for itself.
    package var endpoints: [[Endpoint]] {
        hosts.map { ($0 == "*" ? ["0.0.0.0", "::"] : [$0]).map { Endpoint(host: $0, port: port) } }
    }
}

extension Configuration.Server {
    package var endpoints: [Endpoint] {
        hosts.map { Endpoint(host: $0, port: port) }
    }
}
