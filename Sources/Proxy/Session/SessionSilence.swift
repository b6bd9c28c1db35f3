// Peers whose hosts are gone while the session is busy: the kernel notices late, or ends a connection too early.

import Reactor
import Telemetry

extension Session {
    /// How often sessions are looked at: often enough that a host is noticed about a second after its time.
    static let lookPause = Duration.seconds(1)

    /// Looks whether one of the hosts is gone; asked every `lookPause`. An idle session holds nothing that others
    /// wait for, and can wait for the kernel.
    ///
    /// - Returns: which side it is.
    func lostSide(at now: MonotonicTime) -> Side? {
        guard case .relaying = stage, isWaitedFor else {
            endWatching()
            return nil
        }
        if isLost(.client, client, worker.configuration.listen.keepalive, at: now) { return .client }
        guard let server else { return nil }
        return isLost(.server, server, worker.configuration.server.keepalive, at: now) ? .server : nil
    }

    /// Somebody waits for what one of the hosts does next.
    private var isWaitedFor: Bool {
        conversation.state.tracker.isBusy || conversation.state.tracker.isInTransaction
            || conversation.toServer.isStalled
    }

    private func isLost(
        _ side: Side, _ socket: any StreamSocket, _ keepalive: Keepalive, at now: MonotonicTime
    ) -> Bool {
        silences[side, default: SilenceWatch(keepalive, at: now)].look(at: socket, at: now)
    }

    /// What was seen before is no part of the next silence, however long nobody looks.
    private func endWatching() {
        guard !silences.isEmpty else { return }
        silences[.client]?.end(client)
        if let server { silences[.server]?.end(server) }
        silences = [:]
    }

    func peerLost(_ side: Side) {
        if side == .client { return clientLeft(.timeout) }
        worker.logThrottled(.warning, "no sign of life from the server's host", logMetadata)
        serverClosed()
    }
}
