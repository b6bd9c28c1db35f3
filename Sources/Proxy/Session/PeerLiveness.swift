// Peers whose hosts are gone while a session is busy: the kernel notices late, or ends a connection too early.

import Reactor
import Settings
import Telemetry

/// What is known of the hosts of both peers of a busy session.
struct PeerLiveness {
    /// How often sessions are looked at: often enough that a host is noticed about a second after its time.
    static let lookPause = Duration.seconds(1)

    /// Kept apart, as an idle session has none and shall be small.
    private final class Watches {
        var client: SilenceWatch?
        var server: SilenceWatch?
    }

    private var watches: Watches?

    /// - Returns: which of the hosts is gone, if one is.
    mutating func lostSide(
        _ client: any StreamSocket, _ server: any StreamSocket, _ configuration: Configuration, at now: MonotonicTime
    ) -> Side? {
        let watches = self.watches ?? Watches()
        self.watches = watches
        if Self.isLost(client, &watches.client, configuration.listen.keepalive, at: now) { return .client }
        return Self.isLost(server, &watches.server, configuration.server.keepalive, at: now) ? .server : nil
    }

    private static func isLost(
        _ socket: any StreamSocket, _ watch: inout SilenceWatch?, _ keepalive: Keepalive, at now: MonotonicTime
    ) -> Bool {
        var looking = watch ?? SilenceWatch(keepalive, at: now)
        defer { watch = looking }
        return looking.look(at: socket, at: now)
    }

    /// What was seen before is no part of the next silence, however long nobody looks.
    mutating func end(_ client: any StreamSocket, _ server: any StreamSocket) {
        watches?.client?.end(client)
        watches?.server?.end(server)
        watches = nil
    }
}
