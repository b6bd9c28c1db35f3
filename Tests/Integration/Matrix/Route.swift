// The routes from a client to its server that the matrix compares: directly, with PostgreSQL's own check for clients
// that have left, and through pgleash.

import Foundation
import TestSupport
import Testing

/// A server, and the systems in front of it.
final class Route {
    enum Kind: String, CaseIterable {
        case direct = "directly"
        case checked = "directly, with client_connection_check_interval = 1s"
        case pgleash = "through pgleash"
        case pgleashWithMonitor = "through pgleash, with a monitor"
        case pgleashToTLS = "through pgleash, with TLS to the server"
        case pgleashFromTLS = "through pgleash, with TLS from the client"
        case pgleashWithTLS = "through pgleash, with TLS on both sides"
        case passedThrough = "through pgleash, with TLS passed through"

        var isLeashed: Bool { self != .direct && self != .checked }
        /// The results are to be compared with those of another route, from which they differ little.
        var isVariant: Bool { isEncrypted || hasMonitor }
        var hasMonitor: Bool { self == .pgleashWithMonitor || self == .passedThrough }
        var isEncrypted: Bool { isServerEncrypted || isClientEncrypted }
        var isServerEncrypted: Bool { self == .pgleashToTLS || self == .pgleashWithTLS || self == .passedThrough }
        var isClientEncrypted: Bool { self == .pgleashFromTLS || self == .pgleashWithTLS || self == .passedThrough }
    }

    let kind: Kind
    let server: PrivatePostgres
    let pgleash: PgleashProcess?
    private let namespace: NetworkNamespace?

    /// The detection of a dead host: no packet for 2 s, then no answer within 1 s.
    static let keepalive = Duration.seconds(3)
    private static let keepaliveKeys = [
        "tcp_keepalives_idle = 2", "tcp_keepalives_interval = 1", "tcp_keepalives_count = 1", "tcp_user_timeout = 3000",
    ]

    private static var clientKeys: [String] {
        let files = Certificates.shared
        return ["sslmode = require", "ssl_cert_file = \(files[.right])", "ssl_key_file = \(files.serverKey)"]
    }

    /// - Parameter namespace: the host of clients that die with their host; nil without such clients.
    init(_ kind: Kind, namespace: NetworkNamespace? = nil) throws {
        self.kind = kind
        self.namespace = namespace
        let addresses = (["127.0.0.1"] + [namespace?.hostAddress].compactMap { $0 }).joined(separator: ",")
        switch kind {
        case .direct: server = try PrivatePostgres("listen_addresses=\(addresses)")
        case .checked:
            server = try PrivatePostgres("listen_addresses=\(addresses)", "client_connection_check_interval=1s")
        case .pgleash, .pgleashWithMonitor, .pgleashFromTLS: server = .shared
        case .pgleashToTLS, .pgleashWithTLS, .passedThrough: server = .encrypting
        }
        guard kind.isLeashed else {
            pgleash = nil
            if namespace != nil { try server.admitEverybody() }
            return
        }
        let keepaliveKeys = namespace == nil ? [] : Self.keepaliveKeys
        let tlsKeys = kind.isClientEncrypted ? Self.clientKeys : []
        let clientKeys = kind == .passedThrough ? ["sslmode = passthrough"] : tlsKeys
        pgleash = try PgleashProcess(
            server: server.address, listen: nil,
            configuration: [
                "listen": ["host = \(addresses)", "port = PORT"] + keepaliveKeys + clientKeys,
                "server": ["sslmode = \(kind.isServerEncrypted ? "require" : "disable")"],
                // The clients are superusers, which only a superuser may signal.
                "monitor": kind.hasMonitor ? ["user = postgres"] : [],
            ]
        )
        if kind.hasMonitor { try pgleash?.waitForMonitor() }
    }

    /// Closes everything that was opened, and fails the test where pgleash does not end as it should.
    func close() {
        pgleash?.stop()
        if !kind.isLeashed { server.stop() }
    }

    /// A connection from the host of a client that will leave in this way.
    func connect(from departure: Departure, receiveBuffer: Int32?) throws -> RawClient {
        let client = try connect(isAway: departure == .deadHost, receiveBuffer)
        if kind.isClientEncrypted { try client.encrypt() }
        return client
    }

    private func connect(isAway: Bool, _ receiveBuffer: Int32?) throws -> RawClient {
        let port = pgleash?.port ?? server.port
        guard isAway else { return try RawClient(port: port, receiveBuffer: receiveBuffer) }
        guard let namespace else { fatalError("a dead host needs a namespace") }
        return try namespace.connect(port: port, receiveBuffer: receiveBuffer)
    }

    /// Lets the clients' host die, calls `body` and restores it.
    func whileHostIsDead<Result>(_ body: () throws -> Result) throws -> Result {
        guard let namespace else { fatalError("there is no host to die") }
        try namespace.die()
        defer { try? namespace.revive() }
        return try body()
    }
}

extension PrivatePostgres {
    /// Accepts clients that are not on this host.
    fileprivate func admitEverybody() throws {
        try query("COPY (SELECT 'host all all all trust') TO PROGRAM 'cat >>pg_hba.conf'")
        try query("SELECT pg_reload_conf()")
    }
}
