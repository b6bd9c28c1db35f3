// The loss of the connection to the server: whether it shows that the statement has ended.

extension SessionState {
    /// The timing of cancels to a server whose replies are lost.
    package struct Loss: Equatable, Sendable {
        /// The time until the first cancel; nil for never, as it could reach a request that it is not meant for.
        package let delay: Duration?
        /// Other requests follow, and a second cancel would reach them.
        package let isForOneCancel: Bool

        package func after(_ grace: Duration) -> Loss {
            Loss(delay: delay.map { max($0, grace) }, isForOneCancel: isForOneCancel)
        }
    }

    /// The server closed its side, or the connection to it broke.
    ///
    /// While the client is connected, its statement may continue for the grace, which begins now; the caller adds it.
    ///
    /// - Parameter now: the time since the drop; not used while the client is connected.
    package func serverClosed(at now: Duration) -> Action {
        if let reaper, reaper.hasEndedBackend { return .reap(reaper.serverClosed()) }
        guard mayRunUnseen else {
            if let reaper { return .reap(reaper.serverClosed()) }
            return .end(tracker.hasTerminated ? .clientTerminated : .serverClosed)
        }
        if tracker.cancelKey == nil { return drop == nil ? .end(.serverClosed) : .reap(.end(.noKey)) }
        // A pooler discards the key at the end of the stream.
        if drop?.hasEndedStream == true { return .reap(.end(.unconfirmed)) }
        return .lose(loss(after: reaper?.graceLeft(at: now) ?? .zero))
    }

    /// Whether the statement may continue although the connection has ended. PostgreSQL sends the reason when it ends a
    /// session, unless it crashes, and it ends a session that only waits for its client. A copy waits for its client,
    /// or works on rows that it has received.
    private var mayRunUnseen: Bool {
        let outstanding = tracker.outstanding
        guard !tracker.isAtRest, !tracker.isServerLeaving, canBeReaped, !outstanding.isBatchAnswered
        else { return false }
        // A client that has not logged in cannot have started a query.
        if outstanding.isStartingUp, !outstanding.hasRequests || tracker.isAskedForPassword { return false }
        return !tracker.hasSentTerminate
    }

    private func loss(after grace: Duration) -> Loss {
        switch requestTiming {
        // A cancel has no effect while a copy waits for data, but the server keeps it until some arrive.
        case .atOnce: Loss(delay: grace, isForOneCancel: tracker.outstanding.copying)
        case .whenSlow: Loss(delay: max(grace, CancelTiming.slow), isForOneCancel: true)
        // It could not be seen that the COMMIT has begun.
        case .whenVerySlow, .never, .endOfBackend: Loss(delay: nil, isForOneCancel: true)
        }
    }
}
