// Brings an orphan to its end: when to cancel, when to cancel again, when to give up. A pure value.

import Reactor

/// The reaping of one session, from the drop to the proof that the server stopped.
///
/// That a cancel was delivered proves nothing: the statement may not have looked yet, may not have begun (then the
/// cancel is ignored for good), may catch `query_canceled`, or may be followed by the next one of a pipeline. So there
/// is another try, and another, until the server owes nothing or ends the session.
package struct Reaper: Hashable, Sendable {
    package enum Action: Equatable, Sendable {
        case none
        /// Ask for a cancel; `cancelConcluded` follows, unless the reaping ends before.
        case cancel
        /// End our half of the stream to the server, and come back with `timePassed` at this time.
        case shutdownSending(wakeAt: MonotonicTime)
        /// No cancel is needed any more. If the one asked for has not begun, withdraw it and say `cancelConcluded`; if
        /// it has, its conclusion is waited for: the backend must not leave before it, or the server logs that a
        /// cancel request matched no process.
        case withdrawCancel
        /// Come back with `timePassed` at this time, and no more at any time asked for before.
        case wake(at: MonotonicTime)
        case end(Outcome)
    }

    /// How an asked-for cancel went.
    package enum CancelResult: Equatable, Sendable {
        /// The request was written to the server.
        case sent
        /// The server could not be reached or took too long.
        case notSent
        /// It was not begun, and never will be.
        case withdrawn
    }

    /// The pause between the first tries. A cancel that came before its statement had begun, or was caught, is made
    /// good by the next one, so that is not far.
    static let shortPause = Duration.milliseconds(2)
    static let shortPauses = 3
    /// From then on each pause is twice the last, up to this one.
    static let longestPause = Duration.seconds(1)
    /// The shortest pause when the server could not be reached.
    static let unreachablePause = Duration.milliseconds(25)
    /// How long after a cancel without an answer our half of the stream stays open. A pooler forgets the session, and
    /// with it the key, as soon as it sees the end; by now it has passed the cancel on. And a backend with more to do
    /// would leave as soon as it is done, perhaps in the face of the next cancel.
    static let patience = Duration.milliseconds(25)
    /// The time a backend that is idle after all gets to leave at the end of the stream. A cancel that came while it
    /// leaves would match no process, and the server would log that.
    static let pauseAfterShutdown = Duration.milliseconds(50)

    package let droppedAt: MonotonicTime
    package private(set) var cancelsSent = 0
    /// When the server owed nothing any more.
    package private(set) var stoppedAt: MonotonicTime?

    private let deadline: MonotonicTime
    /// Before this time no cancel is asked for.
    private var graceEnd: MonotonicTime
    private var pause = shortPause
    private var shortPausesLeft = shortPauses
    /// Cancels are asked for, or will be when the grace is over; before, the session waits for its key.
    package private(set) var hasBegun = false
    private var isCancelling = false
    /// The first cancel since the last answer.
    private var firstSentAt: MonotonicTime?
    private var hasShutDown = false
    private var hasAnsweredMeanwhile = false
    private var nextTry: MonotonicTime?

    /// - Parameters:
    ///   - timeout: after which the reaper gives up.
    ///   - grace: how long what the client left may go on undisturbed.
    package init(droppedAt: MonotonicTime, timeout: Duration, grace: Duration = .zero) {
        self.droppedAt = droppedAt
        deadline = droppedAt.advanced(by: timeout)
        graceEnd = droppedAt.advanced(by: grace)
    }

    /// The session has no key yet: its backend still starts up, with requests of the client's behind it. They run to
    /// the end of the stream, and `begin` follows when the key has come.
    package mutating func beginWithoutKey() -> Action {
        hasShutDown = true
        return .shutdownSending(wakeAt: deadline)
    }

    package mutating func begin(at now: MonotonicTime) -> Action {
        hasBegun = true
        return cancel(at: now)
    }

    /// pgleash stops, and nobody would be there to cancel when the grace is over.
    package mutating func graceCutShort(at now: MonotonicTime) -> Action {
        guard now < graceEnd else { return .none }
        graceEnd = now
        return hasBegun ? cancel(at: now) : .none
    }

    /// When `timePassed` must come at the latest.
    package var wakeTime: MonotonicTime { min(nextTry ?? deadline, deadline) }

    /// The server became ready, and owes more (`isBusy`) or nothing.
    package mutating func serverAnswered(isBusy: Bool, at now: MonotonicTime) -> Action {
        guard isBusy else {
            stoppedAt = now
            return isCancelling ? .withdrawCancel : .end(stopped)
        }
        stoppedAt = nil
        firstSentAt = nil
        takeShortPauses()
        // The next statement begins while the next cancel is on its way.
        if !isCancelling { return cancel(at: now) }
        hasAnsweredMeanwhile = true
        return .none
    }

    /// - Parameter awaitsClient: the server will at last wait for something the client will never send.
    package mutating func cancelConcluded(
        _ result: CancelResult, awaitsClient: Bool = false, at now: MonotonicTime
    ) -> Action {
        isCancelling = false
        if stoppedAt != nil {
            if result == .sent { cancelsSent += 1 }
            return .end(stopped)
        }
        guard result == .sent else {
            hasAnsweredMeanwhile = false
            shortPausesLeft = 0
            pause = max(pause, Self.unreachablePause)
            return tryAgain(at: now)
        }
        cancelsSent += 1
        firstSentAt = firstSentAt ?? now
        defer { hasAnsweredMeanwhile = false }
        if awaitsClient, !hasShutDown { return shutDownSending(at: now) }
        return hasAnsweredMeanwhile ? cancel(at: now) : tryAgain(at: now)
    }

    package mutating func timePassed(at now: MonotonicTime) -> Action {
        if now >= deadline { return .end(stoppedAt == nil ? .gaveUp : stopped) }
        guard let time = nextTry, now >= time else { return .wake(at: wakeTime) }
        // A backend that was idle after all, or waits for the rest of a message, leaves at the end of the stream.
        if !hasShutDown, let firstSentAt, now.since(firstSentAt) >= Self.patience { return shutDownSending(at: now) }
        return cancel(at: now)
    }

    package func serverClosed() -> Action { .end(stoppedAt == nil ? .serverClosed : stopped) }

    /// A cancel that could not be withdrawn any more counts as sent, before its conclusion tells.
    private var stopped: Outcome { cancelsSent > 0 || isCancelling ? .cancelled : .finished }

    private mutating func cancel(at now: MonotonicTime) -> Action {
        guard now >= graceEnd else {
            nextTry = graceEnd
            return .wake(at: wakeTime)
        }
        nextTry = nil
        isCancelling = true
        return .cancel
    }

    private mutating func shutDownSending(at now: MonotonicTime) -> Action {
        hasShutDown = true
        nextTry = now.advanced(by: Self.pauseAfterShutdown)
        return .shutdownSending(wakeAt: wakeTime)
    }

    private mutating func tryAgain(at now: MonotonicTime) -> Action {
        nextTry = now.advanced(by: pause)
        shortPausesLeft -= 1
        if shortPausesLeft <= 0 { pause = min(pause * 2, Self.longestPause) }
        return .wake(at: wakeTime)
    }

    private mutating func takeShortPauses() {
        pause = Self.shortPause
        shortPausesLeft = Self.shortPauses
    }
}
