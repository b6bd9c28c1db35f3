// The end of a session whose messages pgleash can't read, as TLS is between its client and its server. Only the monitor
// can see what its backend does. A pure value: all times are relative to the client's disconnect.

/// The reaping of one such session. pgleash's half of the stream has ended, so an idle backend exits by itself, and one
/// that remains is asked about.
///
/// The backend is ended and not cancelled: requests may follow the one that runs, which is not visible, and they would
/// run without it.
package struct TunnelReaper: Hashable, Sendable {
    package enum Action: Equatable, Sendable {
        case none
        /// Let the monitor end the backend if it runs a statement. `concluded` follows.
        case endBackend
        /// Call `timePassed` at this time.
        case wake(at: Duration)
        /// The session was idle.
        case leave
        case end(Outcome)
    }

    /// The time for an idle backend to exit.
    static let exitTime = Duration.milliseconds(5)
    static let firstPause = Duration.milliseconds(5)
    static let longestPause = Duration.seconds(1)

    private let deadline: Duration
    private var nextTry: Duration
    private var pause = firstPause
    private var isAsking = false
    /// The server has closed the connection. Whether it was signalled, and so was busy, the monitor's answer shows.
    private var hasServerClosed = false
    /// The monitor has answered.
    private var isSeen = false
    /// The backend runs a statement, or did when the monitor looked; or the monitor could not look in time.
    package private(set) var isOrphan = false
    package private(set) var signalsSent = 0

    /// - Parameters:
    ///   - timeout: the time after which the reaper gives up.
    ///   - grace: the time during which the statement may continue.
    package init(timeout: Duration, grace: Duration) {
        deadline = timeout
        nextTry = max(Self.exitTime, grace)
    }

    /// The latest time for a call of `timePassed`.
    package var wakeTime: Duration { isAsking ? deadline : min(nextTry, deadline) }

    /// pgleash shuts down: there is no grace any more.
    package mutating func graceCutShort(at now: Duration) -> Action {
        nextTry = min(nextTry, now + Self.exitTime)
        return timePassed(at: now)
    }

    package mutating func timePassed(at now: Duration) -> Action {
        guard now < deadline else {
            if hasServerClosed { return ended }
            isOrphan = true
            return .end(isSeen ? .gaveUp : .unreachable)
        }
        guard !isAsking, now >= nextTry else { return .wake(at: wakeTime) }
        isAsking = true
        return .endBackend
    }

    package mutating func concluded(_ result: Reaper.CancelResult, at now: Duration) -> Action {
        isAsking = false
        nextTry = now + pause
        pause = min(pause * 2, Self.longestPause)
        switch result {
        case .sent:
            (isSeen, isOrphan) = (true, true)
            signalsSent += 1
            nextTry = max(nextTry, now + Reaper.endPause)
        case .leftAlone: (isSeen, isOrphan) = (true, true)
        case .excluded:
            isOrphan = true
            return .end(.excluded)
        case .notRunning: isSeen = true
        case .notSent, .withdrawn: break
        }
        return hasServerClosed ? ended : timePassed(at: now)
    }

    /// The server has closed the connection, so the backend has exited.
    package mutating func serverClosed() -> Action {
        hasServerClosed = true
        return isAsking ? .none : ended
    }

    private var ended: Action {
        guard isOrphan else { return .leave }
        return .end(signalsSent > 0 ? .terminated : .finished)
    }
}
