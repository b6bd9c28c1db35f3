// Peers whose hosts are gone while something is under way to them, when TCP keepalive is silent.

import Reactor

extension Session {
    /// How often sessions are looked at: often enough that a host is noticed about a second after its time.
    static let silencePause = Duration.seconds(1)

    /// Looks whether one of the hosts is gone; asked every `silencePause`. An idle session holds nothing that others
    /// wait for, and can wait for the kernel.
    ///
    /// - Returns: which side it is.
    func lostSide(at now: MonotonicTime) -> Side? {
        guard case .relaying = stage, state.isBusy || state.isInTransaction else {
            // What was seen before is no part of the next silence, however long nobody looked.
            silences = [:]
            return nil
        }
        let (listen, upstream) = (worker.configuration.listen.keepalive, worker.configuration.server.keepalive)
        // It began up to one pause before it was seen.
        let clientPatience = listen.patience - Self.silencePause
        if note(.client, client.isUnanswered, at: now, patience: clientPatience) { return .client }
        let serverPatience = upstream.patience - Self.silencePause
        return note(.server, server?.isUnanswered ?? false, at: now, patience: serverPatience) ? .server : nil
    }

    /// - Returns: whether the host of `side` has been silent for `patience`.
    private func note(_ side: Side, _ isUnanswered: Bool, at now: MonotonicTime, patience: Duration) -> Bool {
        guard isUnanswered else {
            silences[side] = nil
            return false
        }
        let since = silences[side] ?? now
        silences[side] = since
        return now.since(since) >= patience
    }

    func peerLost(_ side: Side) {
        if side == .client { return clientDropped(.timeout) }
        worker.logThrottled(.warning, "no sign of life from the server's host", logMetadata)
        serverClosed()
    }
}
