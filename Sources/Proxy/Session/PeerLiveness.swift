// The detection of lost hosts while a session is busy: the kernel notices them late, or ends a connection too early.

import Reactor
import Settings
import Telemetry

/// The state of both peers' hosts of a busy session.
struct PeerLiveness {
    /// The interval between checks of the sessions: a lost host is noticed about a second after its timeout.
    static let checkInterval = Duration.seconds(1)

    /// A separate allocation, as an idle session has none and should be small.
    private final class Watches {
        var client: HostMonitor?
        var server: HostMonitor?
    }

    private var watches: Watches?

    /// - Returns: the side whose host is lost, if there is one.
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

    /// Ends the monitoring. Earlier results have no effect on the next silence, however long no check takes place.
    mutating func end(_ client: any StreamSocket, _ server: any StreamSocket) {
        watches?.client?.end(client)
        watches?.server?.end(server)
        watches = nil
    }
}
