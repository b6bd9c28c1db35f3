// The places of pgleash among other systems: in front of a server, in front of or behind a pooler, in front of a
// balancer; and the same without pgleash, for comparison.

import Foundation
import Testing

/// Servers, and the systems between them and a client.
final class Place {
    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        case direct = "PostgreSQL"
        case sessionPool = "PgBouncer, session mode"
        case transactionPool = "PgBouncer, transaction mode"
        case behindPool = "behind PgBouncer"
        case balancer = "HAProxy, two servers"
        case poolAlone = "PgBouncer alone"
        case balancerAlone = "HAProxy alone"

        var testDescription: String { rawValue }

        var isLeashed: Bool { self != .poolAlone && self != .balancerAlone }
        var hasBalancer: Bool { self == .balancer || self == .balancerAlone }
        var hasPool: Bool { self != .direct && !hasBalancer }

        static let leashed = allCases.filter(\.isLeashed)
    }

    let kind: Kind
    let servers: [PrivatePostgres]
    let pgleash: PgleashProcess?
    let pool: PgBouncerProcess?
    private let balancer: HAProxyProcess?
    private let between: PassThrough?
    /// The port that clients connect to.
    let port: UInt16

    private static let second = PrivatePostgres.untilTestsEnd { try PrivatePostgres() }

    /// - Parameters:
    ///   - poolSize: the number of server connections of the pooler.
    ///   - losesFirstCancels: the first cancel of each of pgleash's sessions never arrives.
    init(_ kind: Kind, poolSize: Int = 100, losesFirstCancels: Bool = false) throws {
        self.kind = kind
        servers = kind.hasBalancer ? [.shared, Self.second] : [.shared]
        var port = servers[0].port
        balancer = kind.hasBalancer ? try HAProxyProcess(servers: servers.map(\.port)) : nil
        port = balancer?.port ?? port
        let mode = kind == .sessionPool ? PgBouncerProcess.Mode.session : .transaction
        var pool: PgBouncerProcess?
        if kind.hasPool, kind != .behindPool {
            pool = try PgBouncerProcess(server: port, mode: mode, poolSize: poolSize)
            port = pool?.port ?? port
        }
        between = losesFirstCancels ? try PassThrough(to: port) : nil
        between?.loseFirstCancels()
        port = between?.port ?? port
        pgleash = kind.isLeashed ? try PgleashProcess(server: "127.0.0.1:\(port)") : nil
        port = pgleash?.port ?? port
        if kind == .behindPool {
            pool = try PgBouncerProcess(server: port, mode: mode, poolSize: poolSize)
            port = pool?.port ?? port
        }
        (self.pool, self.port) = (pool, port)
    }

    /// Ends all processes, beginning at the client, and fails the test where one does not end as it should.
    func stop() {
        if kind == .behindPool { pool?.stop() }
        pgleash?.stop()
        if kind != .behindPool { pool?.stop() }
        balancer?.stop()
    }

    /// Cancels that matched no process, in the logs of all servers.
    var strayCancels: Int { servers.reduce(0) { $0 + $1.strayCancels } }
}
