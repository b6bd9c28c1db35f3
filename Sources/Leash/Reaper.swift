// Brings an orphan to its end: when to cancel, when to cancel again, when to give up. A pure value.

import Reactor

/// The reaping of one session, from the drop to the proof that the server stopped.
///
/// That a cancel was delivered proves nothing: the statement may not have looked yet, may not have begun (then the
/// cancel is ignored for good), may catch `query_canceled`, or may be followed by the next one of a pipeline. So there
/// is another try, and another, until the server owes nothing or ends the session.
package struct Reaper: Equatable, Sendable {
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

    /// The first pause between tries; each is twice the last, up to `longestPause`.
    static let firstPause = Duration.milliseconds(25)
    static let longestPause = Duration.seconds(1)
    /// The pause after an answer with more owed behind it: the next statement of the pipeline is just beginning, and
    /// a cancel that comes before it has begun is lost.
    static let pauseAfterAnswer = Duration.milliseconds(2)
    /// The time a backend that is idle after all gets to leave at the end of the stream. A cancel that came while it
    /// leaves would match no process, and the server would log that.
    static let pauseAfterShutdown = Duration.milliseconds(5)

    package let droppedAt: MonotonicTime
    package private(set) var cancelsSent = 0
    /// When the server owed nothing any more.
    package private(set) var stoppedAt: MonotonicTime?

    private let deadline: MonotonicTime
    private var pause = firstPause
    /// Cancels are asked for; before, the session waits for its key.
    package private(set) var hasBegun = false
    private var isCancelling = false
    private var hasShutDown = false
    private var hasAnsweredMeanwhile = false
    private var nextTry: MonotonicTime?

    /// - Parameter timeout: after which the reaper gives up.
    package init(droppedAt: MonotonicTime, timeout: Duration) {
        self.droppedAt = droppedAt
        deadline = droppedAt.advanced(by: timeout)
    }

    /// The session has no key yet: its backend still starts up, with requests of the client's behind it. They run to
    /// the end of the stream, and `begin` follows when the key has come.
    package mutating func beginWithoutKey() -> Action {
        hasShutDown = true
        return .shutdownSending(wakeAt: deadline)
    }

    package mutating func begin() -> Action {
        hasBegun = true
        isCancelling = true
        return .cancel
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
        pause = Self.firstPause
        if isCancelling {
            hasAnsweredMeanwhile = true
            return .none
        }
        return tryAgain(after: Self.pauseAfterAnswer, at: now)
    }

    package mutating func cancelConcluded(_ result: CancelResult, at now: MonotonicTime) -> Action {
        isCancelling = false
        if result == .sent { cancelsSent += 1 }
        if stoppedAt != nil { return .end(stopped) }
        defer { hasAnsweredMeanwhile = false }
        if hasAnsweredMeanwhile { return tryAgain(after: Self.pauseAfterAnswer, at: now) }
        defer { pause = min(pause * 2, Self.longestPause) }
        return tryAgain(after: pause, at: now)
    }

    package mutating func timePassed(at now: MonotonicTime) -> Action {
        if now >= deadline { return .end(stoppedAt == nil ? .gaveUp : stopped) }
        guard let time = nextTry, now >= time else { return .wake(at: wakeTime) }
        // A backend that was idle after all, or waits for the rest of a message, leaves at the end of the stream. Not
        // before a cancel was delivered: a pooler forgets the session, and with it the key, as soon as it sees it.
        if cancelsSent > 0, !hasShutDown {
            hasShutDown = true
            let next = now.advanced(by: Self.pauseAfterShutdown)
            nextTry = next
            return .shutdownSending(wakeAt: next)
        }
        nextTry = nil
        isCancelling = true
        return .cancel
    }

    package func serverClosed() -> Action { .end(stoppedAt == nil ? .serverClosed : stopped) }

    /// A cancel that could not be withdrawn any more counts as sent, before its conclusion tells.
    private var stopped: Outcome { cancelsSent > 0 || isCancelling ? .cancelled : .finished }

    private mutating func tryAgain(after pause: Duration, at now: MonotonicTime) -> Action {
        nextTry = now.advanced(by: pause)
        return .wake(at: wakeTime)
    }
}
