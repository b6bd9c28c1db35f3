// Brings an orphan to its end: when to cancel, when to cancel again, when to give up. A pure value: it reads no clock,
// and all times are counted from the drop.

/// The reaping of one session, from the drop to the proof that the server stopped.
///
/// That a cancel was delivered proves nothing: the statement may not have looked yet, may not have begun (then the
/// cancel is ignored for good), may catch `query_canceled`, or may be followed by the next one of a pipeline. So there
/// is another try, and another, until the server owes nothing or ends the session. Which request may be cancelled at
/// all, and how soon, is told by the `CancelTiming` that comes with each event.
package struct Reaper: Hashable, Sendable {
    package enum Action: Equatable, Sendable {
        case none
        /// Ask for a cancel; `cancelConcluded` follows, unless the reaping ends before.
        case cancel
        /// The cancel that was asked for is not needed any more, or would reach a request it is not meant for. If it
        /// was not written, withdraw it and say `cancelConcluded`; if it was, and the answer shows that it arrived
        /// (`hasCancelArrived`), say so, too. Otherwise its conclusion is waited for: the backend must not leave
        /// before it, or the server logs that a cancel request matched no process.
        case withdrawCancel
        /// Send the server a request that fails, so that its answer shows what else has been answered; and come back
        /// with `timePassed` at this time.
        case probe(wakeAt: Duration)
        /// Come back with `timePassed` at this time, and no more at any time asked for before.
        case wake(at: Duration)
        case end(Outcome)
    }

    /// How an asked-for cancel went.
    package enum CancelResult: Equatable, Sendable {
        /// The request was written to the server.
        case sent
        /// The server could not be reached or took too long.
        case notSent
        /// It was not written, and never will be.
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
    /// So many cancels of a session may follow each other as fast as answers come; each makes the server fork.
    static let unboundedCancels = 8
    /// From then on this is the shortest time between two.
    static let shortestInterval = Duration.milliseconds(20)
    /// How long cancels go without an answer before the server is probed: it may have answered all, in a way that the
    /// record of what is owed could not tell. The second time is for where the first could do nothing.
    static let probeDelays = [Duration.milliseconds(250), .seconds(2)]
    /// The time a backend gets to come to rest, or to leave at the end of the stream. A cancel that came while it
    /// leaves would match no process, and the server would log that.
    static let pauseForRest = Duration.milliseconds(50)

    package private(set) var cancelsSent = 0
    /// When the server owed nothing any more.
    package private(set) var stoppedAt: Duration?
    /// Cancels are asked for, or will be when the grace is over; before, the session waits for its key.
    package private(set) var hasBegun = false

    /// What runs may go on for a while.
    package let hasGrace: Bool

    private let deadline: Duration
    private let longestPause: Duration
    /// Before this time no cancel is asked for.
    private var graceEnd: Duration
    package private(set) var timing = CancelTiming.atOnce
    /// Since when the request that is to be cancelled has had neither an answer nor a cancel.
    private var quietSince = Duration.zero
    /// Before this time there is no further try.
    private var pauseEnd = Duration.zero
    private var pause = shortPause
    private var shortPausesLeft = shortPauses
    private var isCancelling = false
    private var cancelsAsked = 0
    private var askedAt = Duration.zero
    /// Of the present request.
    private var cancelsConcluded = 0
    /// The first cancel of the present request.
    private var firstSentAt: Duration?
    private var probes: UInt8 = 0
    private var hasAnsweredMeanwhile = false
    /// After a cancel an error came.
    private var hasFailed = false
    /// The answer shows that the cancel under way, the only one of its request, has arrived.
    package private(set) var hasCancelArrived = false

    /// - Parameters:
    ///   - timeout: after which the reaper gives up.
    ///   - grace: how long what the client left may go on undisturbed.
    ///   - step: a number that other orphans have not. Before a balancer that takes servers in turn, those that keep
    ///     step with each other would come to the same one again and again, each to the wrong one.
    package init(timeout: Duration, grace: Duration = .zero, step: UInt32 = 0) {
        longestPause = Self.longestPause - .milliseconds(Int64(8 * (step & 31)))
        deadline = timeout
        graceEnd = grace
        hasGrace = grace > .zero
    }

    /// The session has no key yet: its backend still starts up, with requests of the client's behind it. `begin`
    /// follows when the key has come.
    package func beginWithoutKey() -> Action { .wake(at: deadline) }

    package mutating func begin(_ timing: CancelTiming, at now: Duration) -> Action {
        hasBegun = true
        self.timing = timing
        return goOn(at: now)
    }

    /// pgleash stops, and nobody would be there to cancel when the grace is over.
    package mutating func graceCutShort(at now: Duration) -> Action {
        guard now < graceEnd else { return .none }
        graceEnd = now
        return hasBegun ? goOn(at: now) : .none
    }

    /// How long nothing is cancelled yet.
    package func graceLeft(at now: Duration) -> Duration { max(graceEnd - now, .zero) }

    /// When `timePassed` must come at the latest.
    package var wakeTime: Duration {
        if isCancelling { return deadline }
        return min(nextTry ?? deadline, nextProbe ?? deadline, deadline)
    }

    /// A request was answered, and the server owes more (`isBusy`) or nothing.
    package mutating func serverAnswered(isBusy: Bool, _ timing: CancelTiming, at now: Duration) -> Action {
        self.timing = timing
        guard isBusy else {
            stoppedAt = now
            return isCancelling ? .withdrawCancel : .end(stopped)
        }
        stoppedAt = nil
        firstSentAt = nil
        cancelsConcluded = 0
        (pause, shortPausesLeft) = (Self.shortPause, Self.shortPauses)
        (quietSince, pauseEnd) = (now, now)
        if isCancelling {
            hasAnsweredMeanwhile = true
            // It is on its way to a request that is done.
            return timing == .atOnce && !hasCancelArrived ? .none : .withdrawCancel
        }
        return goOn(at: now)
    }

    /// No request was answered, but when the present one may be cancelled has changed.
    package mutating func retimed(_ timing: CancelTiming, at now: Duration) -> Action {
        self.timing = timing
        return isCancelling && timing == .never ? .withdrawCancel : goOn(at: now)
    }

    /// A cancel was sent, or may have been.
    package var hasCancelled: Bool { isCancelling || cancelsSent > 0 }

    /// An error came.
    ///
    /// - Parameter isOfCancel: as a cancelled statement ends.
    package mutating func serverFailed(isOfCancel: Bool) {
        guard hasCancelled else { return }
        hasFailed = true
        if isOfCancel, isCancelling, cancelsConcluded == 0, !hasAnsweredMeanwhile { hasCancelArrived = true }
    }

    package mutating func cancelConcluded(
        _ result: CancelResult, _ timing: CancelTiming, at now: Duration
    ) -> Action {
        self.timing = timing
        isCancelling = false
        hasCancelArrived = false
        if result == .sent { cancelsSent += 1 }
        if stoppedAt != nil { return .end(stopped) }
        switch result {
        case .sent:
            firstSentAt = firstSentAt ?? now
            quietSince = now
            if !hasAnsweredMeanwhile {
                cancelsConcluded += 1
                pauseBeforeNext(at: now)
            }
        case .notSent:
            shortPausesLeft = 0
            pause = max(pause, Self.unreachablePause)
            pauseBeforeNext(at: now)
        case .withdrawn: break
        }
        hasAnsweredMeanwhile = false
        return goOn(at: now)
    }

    package mutating func timePassed(_ timing: CancelTiming, at now: Duration) -> Action {
        self.timing = timing
        return goOn(at: now)
    }

    /// Nothing runs, and what the server is told now brings it to rest without a cancel.
    package mutating func expectRest(at now: Duration) {
        pauseEnd = max(pauseEnd, now + Self.pauseForRest)
    }

    /// Our half of the stream to the server has ended.
    package mutating func streamEnded(at now: Duration) {
        expectRest(at: now)
        probes = UInt8(Self.probeDelays.count)
    }

    package func serverClosed() -> Action { .end(stoppedAt == nil ? .serverClosed : stopped) }

    /// An error after a cancel is taken for its doing. An answer without one shows that the request ended by itself,
    /// or that it could not be undone any more.
    private var stopped: Outcome { hasFailed ? .cancelled : .finished }

    /// Does what is due at this time.
    private mutating func goOn(at now: Duration) -> Action {
        if now >= deadline { return .end(stoppedAt == nil ? .gaveUp : stopped) }
        if isCancelling || !hasBegun { return .wake(at: wakeTime) }
        if let time = nextProbe, now >= time {
            probes += 1
            return .probe(wakeAt: max(wakeTime, now))
        }
        guard let time = nextTry, now >= time else { return .wake(at: wakeTime) }
        isCancelling = true
        cancelsAsked += 1
        askedAt = now
        return .cancel
    }

    private var nextTry: Duration? {
        guard let delay = timing.delay else { return nil }
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
