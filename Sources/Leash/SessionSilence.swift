// Peers whose hosts are gone while something is under way to them, when TCP keepalive is silent.

import Reactor

/// Since when what was sent to a peer has gone without an answer.
struct Silence {
    private var since: MonotonicTime?

    /// - Returns: whether it has lasted for `patience`.
    mutating func note(_ isUnanswered: Bool, at now: MonotonicTime, patience: Duration) -> Bool {
        guard isUnanswered else {
            since = nil
            return false
        }
        guard let since else {
            self.since = now
            return false
        }
        return now.since(since) >= patience
    }
}

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
            (clientSilence, serverSilence) = (Silence(), Silence())
            return nil
        }
        let (listen, upstream) = (worker.configuration.listen.keepalive, worker.configuration.server.keepalive)
        // It began up to one pause before it was seen.
        let clientPatience = listen.patience - Self.silencePause
        if clientSilence.note(client.isUnanswered, at: now, patience: clientPatience) { return .client }
        let isServerUnanswered = server?.isUnanswered ?? false
        let serverPatience = upstream.patience - Self.silencePause
        return serverSilence.note(isServerUnanswered, at: now, patience: serverPatience) ? .server : nil
    }

    func peerLost(_ side: Side) {
        if side == .client { return clientDropped(.timeout) }
        worker.logThrottled(.warning, "no sign of life from the server's host", logMetadata)
        serverClosed()
    }
}
