// The ways from a client to its server that the matrix compares: directly, with PostgreSQL's own check for clients that
// have gone, and through pgleash.

import Foundation
import TestSupport
import Testing

/// A server, and what stands before it.
final class Route {
    enum Kind: String, CaseIterable {
        case direct = "directly"
        case checked = "directly, with client_connection_check_interval = 1s"
        case pgleash = "through pgleash"
        case pgleashToTLS = "through pgleash, with TLS to the server"
        case pgleashFromTLS = "through pgleash, with TLS from the client"
        case pgleashWithTLS = "through pgleash, with TLS on both sides"

        var isLeashed: Bool { self != .direct && self != .checked }
        var isEncrypted: Bool { isServerEncrypted || isClientEncrypted }
        var isServerEncrypted: Bool { self == .pgleashToTLS || self == .pgleashWithTLS }
        var isClientEncrypted: Bool { self == .pgleashFromTLS || self == .pgleashWithTLS }
    }

    let kind: Kind
    let server: PrivatePostgres
    let pgleash: PgleashProcess?
    private let namespace: NetworkNamespace?

    /// What a dead host is noticed by: nothing heard for 2 s, then no answer within 1 s.
    static let keepalive = Duration.seconds(3)
    private static let keepaliveKeys = [
        "tcp_keepalives_idle = 2", "tcp_keepalives_interval = 1", "tcp_keepalives_count = 1", "tcp_user_timeout = 3000",
    ]

    private static var clientKeys: [String] {
        let files = Certificates.shared
        return ["sslmode = require", "ssl_cert_file = \(files[.right])", "ssl_key_file = \(files.serverKey)"]
    }

    /// - Parameter namespace: where the clients of dead hosts live; nil without such.
    init(_ kind: Kind, namespace: NetworkNamespace? = nil) throws {
        self.kind = kind
        self.namespace = namespace
        let addresses = (["127.0.0.1"] + [namespace?.hostAddress].compactMap { $0 }).joined(separator: ",")
        switch kind {
        case .direct: server = try PrivatePostgres("listen_addresses=\(addresses)")
        case .checked:
            server = try PrivatePostgres("listen_addresses=\(addresses)", "client_connection_check_interval=1s")
        case .pgleash, .pgleashFromTLS: server = .shared
        case .pgleashToTLS, .pgleashWithTLS: server = .encrypting
        }
        guard kind.isLeashed else {
            pgleash = nil
            if namespace != nil { try server.admitEverybody() }
            return
        }
        let keepaliveKeys = namespace == nil ? [] : Self.keepaliveKeys
        let clientKeys = kind.isClientEncrypted ? Self.clientKeys : []
        pgleash = try PgleashProcess(
            server: server.address, listen: nil,
            configuration: [
                "listen": ["host = \(addresses)", "port = PORT"] + keepaliveKeys + clientKeys,
                "server": ["sslmode = \(kind.isServerEncrypted ? "require" : "disable")"],
            ]
        )
    }

    /// Closes what was opened, and fails the test where pgleash doesn't end as it should.
    func close() {
        pgleash?.stop()
        if !kind.isLeashed { server.stop() }
    }

    /// A connection from where a client lives that will go like this.
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

    /// Lets the clients' host die, calls `body` and brings it to life again.
    func whileHostIsDead<Result>(_ body: () throws -> Result) throws -> Result {
        guard let namespace else { fatalError("there is no host to die") }
        try namespace.die()
        defer { try? namespace.revive() }
        return try body()
    }
}

extension PrivatePostgres {
    /// Lets clients in that don't come from this host.
    fileprivate func admitEverybody() throws {
        try query("COPY (SELECT 'host all all all trust') TO PROGRAM 'cat >>pg_hba.conf'")
        try query("SELECT pg_reload_conf()")
    }
}
