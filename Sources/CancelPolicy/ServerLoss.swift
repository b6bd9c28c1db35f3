// What the end of the connection to the server says about what ran there: that it has ended, or nothing.

extension SessionState {
    /// How cancels may go to a server whose answers nobody sees.
    package struct Loss: Equatable, Sendable {
        /// When the first may go; nil for never, as it could reach a request that it is not meant for.
        package let delay: Duration?
        /// Others follow the request, and would be met by a second.
        package let isForOneCancel: Bool

        package func after(_ grace: Duration) -> Loss {
            Loss(delay: delay.map { max($0, grace) }, isForOneCancel: isForOneCancel)
        }
    }

    /// The server closed its side, or the connection to it broke.
    ///
    /// Of a client that is still there, what runs may go on for the grace from now, which the caller knows.
    ///
    /// - Parameter now: since the drop; it counts for nothing while the client is there.
    package func serverClosed(at now: Duration) -> Action {
        guard mayRunUnseen else {
            if let reaper { return .reap(reaper.serverClosed()) }
            return .end(tracker.hasTerminated ? .clientTerminated : .serverClosed)
        }
        if tracker.cancelKey == nil { return drop == nil ? .end(.serverClosed) : .reap(.end(.noKey)) }
        // A pooler forgets the key at the end of the stream.
        if drop?.hasEndedStream == true { return .reap(.end(.unconfirmed)) }
        return .lose(loss(after: reaper?.graceLeft(at: now) ?? .zero))
    }

    /// The end of the connection does not show that what was asked for has ended. PostgreSQL says why it ends a
    /// session, unless it crashes; and it ends one that waits for its client alone.
    private var mayRunUnseen: Bool {
        guard !tracker.isAtRest, !tracker.isServerLeaving, canBeReaped, !tracker.isWaitingForClient
        else { return false }
        let outstanding = tracker.outstanding
        // A client that has not logged in cannot have started a query.
        if outstanding.isStartingUp, !outstanding.hasRequests || tracker.isAskedForPassword { return false }
        return !tracker.hasSentTerminate
    }

    private func loss(after grace: Duration) -> Loss {
        switch cancelTiming {
        case .atOnce: Loss(delay: grace, isForOneCancel: false)
        case .whenSlow: Loss(delay: max(grace, CancelTiming.slow), isForOneCancel: true)
        // Nobody would see that the COMMIT has begun.
        case .whenVerySlow, .never: Loss(delay: nil, isForOneCancel: true)
        }
    }
}
