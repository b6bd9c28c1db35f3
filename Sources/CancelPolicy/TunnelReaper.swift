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
    /// The first pause between looks, for a statement that had not begun; after that each is twice as long as the last.
    static let firstPause = Duration.milliseconds(5)
    static let longestPause = Duration.seconds(1)
    /// A backend that exits later than this was busy, unless the monitor has seen that it was not.
    static let idleTime = Duration.milliseconds(250)
    /// The longest time for which a stop of pgleash waits for what no monitor has seen to be busy.
    static let stopTime = Duration.seconds(1)

    private var deadline: Duration
    private var nextTry: Duration
    private var pause = firstPause
    private var isAsking = false
    /// The server has closed the connection. Whether it was signalled, and so was busy, the monitor's answer shows.
    private var serverClosedAt: Duration?
    /// The monitor has found the backend.
    private var isSeen = false
    /// pgleash stops, and does not wait for backends that run nothing.
    private var isStopping = false
    /// The session counts as one whose client left while a statement ran.
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

    /// pgleash stops: there is no grace any more.
    package mutating func stop(at now: Duration) -> Action {
        isStopping = true
        if !isOrphan { deadline = min(deadline, now + Self.stopTime) }
        nextTry = min(nextTry, now + Self.exitTime)
        return timePassed(at: now)
    }

    package mutating func timePassed(at now: Duration) -> Action {
        guard now < deadline else { return giveUp() }
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
        case .notRunning:
            isSeen = true
            if isStopping, !isOrphan { return .leave }
        case .notFound, .notSent, .withdrawn: break
        }
        return serverClosedAt == nil ? timePassed(at: now) : ended()
    }

    /// The server has closed the connection, so the backend has exited.
    package mutating func serverClosed(at now: Duration) -> Action {
        serverClosedAt = now
        return isAsking ? .none : ended()
    }

    /// The backend has exited, as far as the monitor can see.
    package var gone: Action {
        if signalsSent > 0 { return .end(.terminated) }
        return isOrphan ? .end(.finished) : .leave
    }

    private mutating func ended() -> Action {
        guard !isOrphan, !isSeen, serverClosedAt ?? .zero > Self.idleTime else { return gone }
        isOrphan = true
        return .end(.serverClosed)
    }

    private mutating func giveUp() -> Action {
        if serverClosedAt != nil { return ended() }
        // Its server does not notice the end of the stream.
        if isSeen, !isOrphan { return .leave }
        isOrphan = true
        return .end(isSeen ? .gaveUp : .unreachable)
    }
}
