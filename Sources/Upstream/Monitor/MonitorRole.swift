// The monitor's role, and how the server sees its connection.

import Reactor

/// The result of `PQStatement.identify`.
package struct MonitorRole: Sendable {
    package let user: String
    package let isSuperuser: Bool
    package let serverVersion: String
    private let canSignal: Bool
    private let canReadActivity: Bool
    /// The address and port of the connection, as the server sees them; nil over a Unix socket.
    private let seenHost: String?
    private let seenPort: UInt16?
    /// The same, as pgleash's kernel has it.
    private let local: SocketAddress?

    /// - Returns: nil for other rows than those of the statement.
    init?(_ rows: [[String?]], local: SocketAddress?) {
        guard let row = rows.first, row.count == 7, let user = row[0], let version = row[6] else { return nil }
        (self.user, serverVersion, self.local) = (user, version, local)
        (isSuperuser, canSignal, canReadActivity) = (row[1] == "t", row[2] == "t", row[3] == "t")
        (seenHost, seenPort) = (row[4], row[5].flatMap { UInt16($0) })
    }

    /// A system in between translates addresses, but not ports. Then a backend can't be identified without its process
    /// ID.
    package var isAddressTranslated: Bool { seenHost != local.map(Self.address) }

    /// The IP address that the server sees for one of pgleash's connections: all of those from the address of the
    /// monitor's have the same.
    func address(of backend: SocketAddress) -> String {
        guard let local, let seenHost, local.numericHost == backend.numericHost else { return Self.address(backend) }
        return seenHost
    }

    /// The server's addresses have no scope.
    private static func address(_ socket: SocketAddress) -> String {
        String(socket.numericHost.prefix { $0 != "%" })
    }

    /// The SQL that gives the role what it lacks; nil where it lacks nothing.
    private var missingGrant: String? {
        let missing = [("pg_signal_backend", canSignal), ("pg_read_all_stats", canReadActivity)].filter { !$0.1 }
        guard !missing.isEmpty else { return nil }
        let name = user.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
        return "GRANT \(missing.map(\.0).joined(separator: ", ")) TO \"\(name)\""
    }

    /// The reason why the role or the connection is not suitable; nil where it is.
    var unsuitability: String? {
        if let missingGrant { return "the role lacks rights: \(missingGrant)" }
        guard let seenPort, let local, !local.isUnix else { return "backends can't be identified over a Unix socket" }
        guard seenPort == local.port else {
            return "the server sees port \(seenPort) and not \(local.port ?? 0): a system in between translates ports"
        }
        return nil
    }
}
