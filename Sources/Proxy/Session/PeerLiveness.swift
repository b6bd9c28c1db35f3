// Peers whose hosts are gone while a session is busy: the kernel notices late, or ends a connection too early.

import Reactor
import Settings
import Telemetry

/// What is known of the hosts of both peers of a busy session.
struct PeerLiveness {
    /// How often sessions are looked at: often enough that a host is noticed about a second after its time.
    static let checkInterval = Duration.seconds(1)

    /// Kept apart, as an idle session has none and shall be small.
    private final class Watches {
        var client: HostMonitor?
        var server: HostMonitor?
    }

    private var watches: Watches?

    /// - Returns: which of the hosts is gone, if one is.
    mutating func lostSide(
        _ client: any StreamSocket, _ server: any StreamSocket, _ environment: WorkerEnvironment, at now: MonotonicTime
    ) -> Side? {
        let watches = self.watches ?? Watches()
        self.watches = watches
        if Self.isLost(client, &watches.client, environment.configuration.listen.keepalive, at: now) { return .client }
        return Self.isLost(server, &watches.server, environment.configuration.server.keepalive, at: now) ? .server : nil
    }

    private static func isLost(
        _ socket: any StreamSocket, _ watch: inout HostMonitor?, _ keepalive: Keepalive, at now: MonotonicTime
    ) -> Bool {
        var monitor = watch ?? HostMonitor(keepalive, at: now)
        defer { watch = monitor }
        return monitor.check(socket, at: now)
    }

    /// What was seen before is no part of the next silence, however long nobody looks.
    mutating func end(_ client: any StreamSocket, _ server: any StreamSocket) {
        watches?.client?.end(client)
        watches?.server?.end(server)
        watches = nil
    }
}
