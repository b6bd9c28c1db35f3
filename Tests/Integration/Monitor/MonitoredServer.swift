// A server with a role for the monitor and one for clients, and a pgleash with a monitor.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

/// The server of the monitor's tests: its clients are no superusers, so that the monitor may signal them.
enum MonitoredServer {
    static let role = "leash"
    static let client = "app"

    static let postgres = PrivatePostgres.untilTestsEnd {
        let postgres = try Storm.newPostgres()
        try addRoles(to: postgres)
        return postgres
    }

    static func addRoles(to postgres: PrivatePostgres) throws {
        try postgres.query("CREATE ROLE \(client) LOGIN; CREATE ROLE \(role) LOGIN")
        try postgres.query("GRANT pg_signal_backend, pg_read_all_stats TO \(role)")
        try postgres.query("GRANT ALL ON SCHEMA public TO \(client)")
    }
}

extension PgleashProcess {
    /// With a monitor, once it is connected.
    ///
    /// - Parameters:
    ///   - cancel: lines of `[cancel]`.
    ///   - lines: lines of `[server]`.
    static func monitored(
        _ server: String = MonitoredServer.postgres.address, user: String = MonitoredServer.role,
        cancel: [String] = [], lines: [String] = []
    ) throws -> PgleashProcess {
        let pgleash = try PgleashProcess(
            server: server, configuration: ["monitor": ["user = \(user)"], "cancel": cancel, "server": lines]
        )
        try pgleash.waitForMonitor()
        return pgleash
    }

    func waitForMonitor() throws {
        try waitForReport("a monitor") { $0["monitors_connected"] == 1 }
    }

    /// A session of the role for clients.
    func connectClient(name: String, as user: String = MonitoredServer.client) throws -> RawClient {
        let client = try RawClient(port: port)
        try client.send(Frontend.startup(user: user, name: name))
        try client.read(until: BackendKind.readyForQuery)
        return client
    }
}
