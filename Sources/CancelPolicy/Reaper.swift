// The reaper decides when an orphan is cancelled, when it is cancelled again, and when pgleash gives up. It is a pure
// value: it reads no clock, and all times are relative to the drop.

/// The reaping of one session, from the drop to the proof that the server stopped.
///
/// A delivered cancel proves nothing: the statement may not have checked for it, may not have begun (then the cancel is
/// ignored for good), may catch `query_canceled`, or may be followed by the next one of a pipeline. So cancels are
/// repeated until no request is outstanding or the server ends the session. The `CancelTiming` of each event says which
/// request may be cancelled at all, and how soon.
package struct Reaper: Hashable, Sendable {
    package enum Action: Equatable, Sendable {
        case none
        /// Send a cancel. `cancelConcluded` follows, unless the reaping ends before.
        case cancel
        /// The cancel is no longer needed, or would reach a request that it is not meant for. If it was not written,
        /// withdraw it and call `cancelConcluded`. If it was written, and the reply shows that it arrived
        /// (`hasCancelArrived`), call `cancelConcluded`, too. Otherwise wait for its conclusion: the backend must not
        /// exit before it, or the server logs that a cancel request matched no process.
        case withdrawCancel
        /// End the backend. `cancelConcluded` follows as after a cancel.
        case endBackend
        /// Send the server a request that fails, so that its reply shows which other requests are answered, and call
        /// `timePassed` at this time.
        case probe(wakeAt: Duration)
        /// Call `timePassed` at this time, and not at an earlier one that was requested before.
        case wake(at: Duration)
        case end(Outcome)
    }

    /// The result of a cancel.
    package enum CancelResult: Equatable, Sendable {
        /// The request was written to the server.
        case sent
        /// The server could not be reached in time.
        case notSent
        /// The backend waits for a synchronous standby, and was left alone: a signal would make its commit visible.
        case leftAlone
        /// The request was not written and will not be.
        case withdrawn
        /// The backend runs nothing: the monitor's view of a session that pgleash can't read.
        case notRunning
        /// The monitor sees no backend of such a session.
        case notFound
        /// The monitor sees that such a session is excluded.
        case excluded
    }

    /// The pause between the first cancels. A cancel that arrived before its statement had begun, or was caught, is
    /// replaced by the next one, which should therefore be soon.
    static let shortPause = Duration.milliseconds(2)
    static let shortPauses = 3
    /// After that each pause is twice as long as the last, up to this one.
    static let longestPause = Duration.seconds(1)
    /// The shortest pause when the server could not be reached.
    static let unreachablePause = Duration.milliseconds(25)
    /// The shortest pause before a backend that was ended is ended again: it exits when it next checks for interrupts.
    static let endPause = Duration.milliseconds(250)
    /// The number of cancels of a session that may follow each other as fast as replies arrive. The server forks for
    /// each.
    static let unboundedCancels = 8
    /// After these, the shortest time between two cancels.
    static let shortestInterval = Duration.milliseconds(20)
    /// The times without a reply to a cancel after which the server is probed: it may have answered all requests in a
    /// way that the record of outstanding requests could not follow. The second probe is for cases in which the first
    /// had no effect.
    static let probeDelays = [Duration.milliseconds(250), .seconds(2)]
    /// The time for a backend to become idle, or to exit at the end of the stream. A cancel that arrives while the
    /// backend exits would match no process, and the server would log that.
    static let pauseForRest = Duration.milliseconds(50)

    package private(set) var cancelsSent = 0
    /// The time at which no request was outstanding any more.
    package private(set) var stoppedAt: Duration?
    /// Cancels are sent, or will be after the grace. Before this, the session waits for its key.
    package private(set) var hasBegun = false

    /// The orphan has a grace, during which its statement may continue.
    package let hasGrace: Bool

    /// The monitor can cancel without a key, and end the backend instead of a request that others follow.
    package private(set) var canEndBackend: Bool

    private let deadline: Duration
    private let terminateAfter: Duration?
    private let longestPause: Duration
    /// No cancel is sent before this time.
    private var graceEnd: Duration
    package private(set) var timing = CancelTiming.atOnce
    /// The time since which the request to be cancelled has had neither a reply nor a cancel.
    private var quietSince = Duration.zero
    /// No further cancel is sent before this time.
    private var pauseEnd = Duration.zero
    private var pause = shortPause
    private var shortPausesLeft = shortPauses
    /// A signal is on its way: a cancel, or the end of the backend.
    private var isCancelling = false
    private var isEndingBackend = false
    /// A signal that ends the backend was sent.
    package private(set) var hasEndedBackend = false
    /// The backend is not ended before this time.
    private var endPauseEnd = Duration.zero
    private var cancelsAsked = 0
    private var askedAt = Duration.zero
    /// The time of the first cancel of the current request.
    private var firstSentAt: Duration?
    private var probes: UInt8 = 0
    private var hasAnsweredMeanwhile = false
    /// An error arrived after a cancel.
    private var hasFailed = false
    /// The reply shows that the current cancel has arrived. This can be known of the first one only: one cancel can end
    /// two requests, as PostgreSQL up to 16 signals the backend and then its process group (`signal_child` in
    /// postmaster.c).
    package private(set) var hasCancelArrived = false

    /// - Parameters:
    ///   - timeout: the time after which the reaper gives up.
    ///   - grace: the time during which the statement may continue.
    ///   - step: a number that differs between orphans. With a balancer that uses servers in turn, orphans with equal
    ///     pauses would reach the same wrong server each time.
    ///   - monitor: nil where there is none.
    package init(timeout: Duration, grace: Duration = .zero, step: UInt32 = 0, monitor: Monitor? = nil) {
        longestPause = Self.longestPause - .milliseconds(Int64(8 * (step & 31)))
        deadline = timeout
        graceEnd = grace
        hasGrace = grace > .zero
        canEndBackend = monitor?.isConnected ?? false
        terminateAfter = monitor?.terminateAfter
    }

    /// The session has no key yet: its backend is starting up, with requests of the client after it. `begin` follows
    /// when the key has arrived.
    package func beginWithoutKey() -> Action { .wake(at: deadline) }

    package mutating func begin(_ timing: CancelTiming, at now: Duration) -> Action {
        hasBegun = true
        self.timing = timing
        return goOn(at: now)
    }

    /// pgleash shuts down and could not send a cancel after the grace.
    package mutating func graceCutShort(at now: Duration) -> Action {
        guard now < graceEnd else { return .none }
        graceEnd = now
        return hasBegun ? goOn(at: now) : .none
    }

    /// The time until the first cancel may be sent.
    package func graceLeft(at now: Duration) -> Duration { max(graceEnd - now, .zero) }

    /// The latest time for a call of `timePassed`.
    package var wakeTime: Duration {
        if isCancelling { return deadline }
        return min(nextTry ?? deadline, nextEnd ?? deadline, nextProbe ?? deadline, deadline)
    }

    /// A request was answered; others are outstanding (`isBusy`) or none is.
    package mutating func serverAnswered(isBusy: Bool, _ timing: CancelTiming, at now: Duration) -> Action {
        self.timing = timing
        guard isBusy else {
            stoppedAt = now
            return isCancelling ? .withdrawCancel : .end(stopped)
        }
        stoppedAt = nil
        firstSentAt = nil
        (pause, shortPausesLeft) = (Self.shortPause, Self.shortPauses)
        (quietSince, pauseEnd) = (now, now)
        if isCancelling {
            hasAnsweredMeanwhile = true
            if isEndingBackend { return .none }
            // The cancel is for a request that has ended.
            return timing == .atOnce && !hasCancelArrived ? .none : .withdrawCancel
        }
        return goOn(at: now)
    }

    /// No request was answered, but the timing of the current one has changed.
    package mutating func retimed(_ timing: CancelTiming, at now: Duration) -> Action {
        self.timing = timing
        let mustWithdraw = isCancelling && !isEndingBackend && timing.delay == nil
        return mustWithdraw ? .withdrawCancel : goOn(at: now)
    }

    /// A cancel was sent, or may have been.
    package var hasCancelled: Bool { isCancelling || cancelsSent > 0 || hasEndedBackend }

    /// An error arrived.
    ///
    /// - Parameter isOfCancel: the error is that of a cancelled statement.
    package mutating func serverFailed(isOfCancel: Bool) {
        guard hasCancelled else { return }
        hasFailed = true
        if isOfCancel, isCancelling, cancelsAsked == 1, !hasAnsweredMeanwhile { hasCancelArrived = true }
    }

    package mutating func cancelConcluded(
        _ result: CancelResult, _ timing: CancelTiming, at now: Duration
    ) -> Action {
        self.timing = timing
        let isEnd = isEndingBackend
        (isCancelling, isEndingBackend) = (false, false)
        hasCancelArrived = false
        if result == .sent { isEnd ? hasEndedBackend = true : (cancelsSent += 1) }
        if stoppedAt != nil { return .end(stopped) }
        switch result {
        case .sent:
            firstSentAt = firstSentAt ?? now
            quietSince = now
            if !hasAnsweredMeanwhile { pauseBeforeNext(at: now) }
        case .notSent, .leftAlone, .notRunning, .notFound, .excluded:
            shortPausesLeft = 0
            pause = max(pause, Self.unreachablePause)
            pauseBeforeNext(at: now)
        case .withdrawn: break
        }
        if isEnd { endPauseEnd = now + max(pause, Self.endPause) }
        hasAnsweredMeanwhile = false
        return goOn(at: now)
    }

    /// The signal on its way could not be sent. The monitor does not know the backend, or is not allowed to signal it:
    /// then requests that others follow are cancelled as without one.
    package mutating func signalFailed() {
        if isEndingBackend { canEndBackend = false }
    }

    package mutating func timePassed(_ timing: CancelTiming, at now: Duration) -> Action {
        self.timing = timing
        return goOn(at: now)
    }

    /// No statement runs, and a message that the server receives now makes it idle without a cancel.
    package mutating func expectRest(at now: Duration) {
        pauseEnd = max(pauseEnd, now + Self.pauseForRest)
    }

    /// pgleash has ended its half of the stream to the server.
    package mutating func streamEnded(at now: Duration) {
        expectRest(at: now)
        probes = UInt8(Self.probeDelays.count)
    }

    package func serverClosed() -> Action {
        if stoppedAt != nil { return .end(stopped) }
        return .end(hasEndedBackend || isEndingBackend ? .terminated : .serverClosed)
    }

    /// An error after a cancel is taken for its effect. A reply without an error shows that the request ended by
    /// itself, or that it could no longer be undone.
    private var stopped: Outcome { hasFailed ? .cancelled : .finished }

    /// Returns the action that is due at this time.
    private mutating func goOn(at now: Duration) -> Action {
        if now >= deadline { return .end(stoppedAt == nil ? .gaveUp : stopped) }
        if isCancelling || !hasBegun { return .wake(at: wakeTime) }
        if let time = nextProbe, now >= time {
            probes += 1
            return .probe(wakeAt: max(wakeTime, now))
        }
        if let time = nextEnd, now >= time {
            (isCancelling, isEndingBackend) = (true, true)
            return .endBackend
        }
        guard let time = nextTry, now >= time else { return .wake(at: wakeTime) }
        isCancelling = true
        cancelsAsked += 1
        askedAt = now
        return .cancel
    }

    /// The time at which the backend is ended: at once where other requests follow, or when it has ignored cancels for
    /// `terminateAfter`.
    private var nextEnd: Duration? {
        if timing == .endOfBackend || hasEndedBackend { return max(graceEnd, endPauseEnd) }
        guard let terminateAfter, cancelsSent > 0 else { return nil }
        return max(terminateAfter, endPauseEnd)
    }

    private var nextTry: Duration? {
        guard let delay = timing.delay, !hasEndedBackend else { return nil }
        let interval = cancelsAsked < Self.unboundedCancels ? .zero : Self.shortestInterval
        return max(quietSince + delay, pauseEnd, graceEnd, askedAt + interval)
    }

    private var nextProbe: Duration? {
        guard let firstSentAt, probes < Self.probeDelays.count else { return nil }
        return firstSentAt + Self.probeDelays[Int(probes)]
    }

    private mutating func pauseBeforeNext(at now: Duration) {
        pauseEnd = now + pause
        shortPausesLeft -= 1
        if shortPausesLeft <= 0 { pause = min(pause * 2, longestPause) }
    }
}
