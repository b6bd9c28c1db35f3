// The statements of the monitor, and what their rows mean.

import LibPQ
import Reactor

extension PQStatement {
    /// The monitor's role and rights, and the server's view of its connection.
    static let introduce = PQStatement(
        "pgleash_introduce",
        """
        SELECT current_user, rolsuper, pg_has_role('pg_signal_backend', 'USAGE'),
            pg_has_role('pg_read_all_stats', 'USAGE'), host(inet_client_addr()), inet_client_port(),
            current_setting('server_version'), pg_is_in_recovery()
        FROM pg_catalog.pg_roles WHERE rolname = current_user
        """
    )

    /// Signals backends, each identified by the address and port of its connection and by its process ID, if that is
    /// known. pg_cancel_backend and pg_terminate_backend raise an error for a backend that the role may not signal,
    /// and none would get its signal; so the conditions of pg_signal_backend() in signalfuncs.c are tested first.
    static let signal = PQStatement(
        "pgleash_signal",
        """
        SELECT t.number, CASE
            WHEN a.wait_event = 'SyncRep' THEN 'spared'
            WHEN (me.rolsuper OR NOT r.rolsuper AND
                (pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))) IS NOT TRUE
                THEN 'refused'
            WHEN t.ends THEN pg_terminate_backend(a.pid)::text
            ELSE pg_cancel_backend(a.pid)::text END
        FROM unnest($1::int[], $2::int[], $3::inet[], $4::int[], $5::bool[])
            AS t (number, pid, address, port, ends)
        JOIN pg_catalog.pg_stat_activity a
            ON a.client_port = t.port AND a.client_addr = t.address AND (t.pid IS NULL OR a.pid = t.pid)
        JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
        CROSS JOIN (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) me
        """
    )
}

/// The result of `PQStatement.introduce`.
package struct MonitorRole: Sendable {
    package let user: String
    package let isSuperuser: Bool
    package let canSignal: Bool
    package let canReadActivity: Bool
    /// The address and port of the monitor's connection, as the server sees them; nil over a Unix socket.
    let seenHost: String?
    let seenPort: UInt16?
    package let serverVersion: String
    package let isStandby: Bool

    /// - Returns: nil for other rows than those of the statement.
    init?(_ rows: [[String?]]) {
        guard let row = rows.first, row.count == 8, let user = row[0], let version = row[6] else { return nil }
        (self.user, serverVersion) = (user, version)
        (isSuperuser, canSignal, canReadActivity) = (row[1] == "t", row[2] == "t", row[3] == "t")
        (seenHost, seenPort) = (row[4], row[5].flatMap { UInt16($0) })
        isStandby = row[7] == "t"
    }

    /// The SQL that gives the role what it lacks; nil where it lacks nothing.
    package var missingGrant: String? {
        let missing = [("pg_signal_backend", canSignal), ("pg_read_all_stats", canReadActivity)].filter { !$0.1 }
        guard !missing.isEmpty else { return nil }
        let name = user.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
        return "GRANT \(missing.map(\.0).joined(separator: ", ")) TO \"\(name)\""
    }

    /// The reason why the role or the connection is not suitable; nil where it is.
    ///
    /// - Parameter local: the connection's own address, as pgleash's kernel has it.
    package func objection(local: SocketAddress?) -> String? {
        if let missingGrant { return "the role lacks rights: \(missingGrant)" }
        guard let seenPort, let local, !local.isUnix else { return "backends can't be identified over a Unix socket" }
        guard seenPort == local.port else {
            return "the server sees port \(seenPort) and not \(local.port ?? 0): a system in between translates ports"
        }
        return nil
    }
}
