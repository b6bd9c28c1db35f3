// What is to be done when one of a session's ends goes away. A pure value: it holds no socket and reads no clock, so it
// can be tested as a table.

import PostgresProtocol

/// The state of one session from its StartupMessage to its end.
package struct SessionState: Hashable, Sendable {
    package enum Action: Equatable, Sendable {
        case none
        /// Close both sides; the session is over.
        case end(EndReason)
        /// The client is gone: close its side, read on from the server and throw it away, and do what the reaper says.
        case reap(Reaper.Action)
        /// The connection to the server is gone, and what it owes may still run.
        case lose(Loss)
    }

    /// What is known of a session whose client is gone.
    struct Drop: Hashable, Sendable {
        var reaper: Reaper
        /// The client left within a message, so nothing can be said after it.
        let isCut: Bool
        var hasEndedStream = false
        /// What the server warned of after a cancel.
        var warning: ServerMessage?
    }

    /// Kept apart, as few sessions ever come to it, and an idle one shall be small.
    private indirect enum Reaping: Hashable, Sendable {
        case none
        case begun(Drop)
    }

    /// What is known from the messages that passed.
    package var tracker: ProtocolTracker
    private var reaping = Reaping.none
    package private(set) var dropKind: DropKind?
    private let isReplication: Bool
    private let exclusion: SessionExclusion

    /// - Parameters:
    ///   - isReplication: a walsender's session. What it runs is cancelled as in any other, but not what it streams.
    ///   - applicationName: as in the StartupMessage.
    ///   - exclusion: whether the operator, or the client itself, wants nothing of it cancelled.
    package init(isReplication: Bool, applicationName: String = "", exclusion: SessionExclusion = .none) {
        tracker = ProtocolTracker(applicationName: applicationName)
        self.isReplication = isReplication
        self.exclusion = exclusion
    }

    private var isExcluded: Bool { exclusion.covers(tracker.applicationName, isRenamed: tracker.isRenamed) }

    /// What its client leaves behind is cancelled.
    package var canBeReaped: Bool { !onlyStreams && !isExcluded }

    /// A walsender sends WAL or a base backup, and nothing else is owed: it notices the end of its connection.
    private var onlyStreams: Bool { isReplication && tracker.isCopyingOut && tracker.outstanding.count == 1 }

    /// A Terminate has to wait, as something runs that a pooler would forget.
    package var mustHoldTerminate: Bool {
        let outstanding = tracker.outstanding
        guard outstanding.isBusy, canBeReaped else { return false }
        // Who says goodbye in place of a password gets no answer.
        if outstanding.isStartingUp { return outstanding.hasRequests }
        return !tracker.isWaitingForClient && !outstanding.isAwaitingSync
    }

    /// Set at the drop.
    package var reaper: Reaper? { drop?.reaper }

    var drop: Drop? {
        get { if case .begun(let drop) = reaping { drop } else { nil } }
        set { reaping = newValue.map { .begun($0) } ?? .none }
    }

    /// When the request that the server is at may be cancelled.
    package var cancelTiming: CancelTiming { tracker.outstanding.cancelTiming(isInBlock: tracker.isInBlock) }

    /// What the server warned of since it was sent a cancel: most often that a commit did not wait for its standby.
    package mutating func takeWarning() -> ServerMessage? {
        guard let warning = drop?.warning else { return nil }
        drop?.warning = nil
        return warning
    }
}

// MARK: - The end

extension SessionState {
    /// The client is gone.
    ///
    /// - Parameters:
    ///   - kind: how, as far as the socket tells; behind a Terminate the end is a `.terminate`.
    ///   - isCut: it left within a message that the server has a part of.
    ///   - timeout: after which the reaping of what it left is given up.
    ///   - grace: how long it may go on before it is cancelled.
    package mutating func clientDropped(
        _ kind: DropKind,
        isCut: Bool = false,
        timeout: Duration,
        grace: Duration = .zero
    ) -> Action {
        precondition(drop == nil, "a client drops once")
        let kind = tracker.hasTerminated && (kind == .fin || kind == .reset) ? .terminate : kind
        dropKind = kind
        if tracker.isAtRest || onlyStreams { return .end(kind.idleEnd) }
        // A cancel would find no process.
        if tracker.isServerLeaving { return .end(kind.idleEnd) }
        let (cancelKey, outstanding) = (tracker.cancelKey, tracker.outstanding)
        // Who has sent nothing behind the start-up packet has nothing to be cancelled before the key is there.
        if cancelKey == nil, outstanding.isStartingUp, !outstanding.hasRequests { return .end(kind.idleEnd) }
        tracker.observe()
        let step = cancelKey?.processID ?? 0
        var drop = Drop(reaper: Reaper(timeout: timeout, grace: grace, step: step), isCut: isCut)
        // The server waits for its client alone, and `nextEnding` ends that.
        if tracker.isWaitingForClient { drop.reaper.expectRest(at: .zero) }
        defer { self.drop = drop }
        if isExcluded { return .reap(.end(.excluded)) }
        if cancelKey != nil { return .reap(drop.reaper.begin(cancelTiming, at: .zero)) }
        return .reap(outstanding.isStartingUp ? drop.reaper.beginWithoutKey() : .end(.noKey))
    }

    /// Bytes of the server were scanned while the session is being reaped.
    ///
    /// - Parameter now: since the drop, as in all that follows.
    package mutating func serverAnsweredWhileReaping(at now: Duration) -> Reaper.Action {
        guard var drop else { return .none }
        defer { self.drop = drop }
        let seen = tracker.takeObservation()
        if seen.hasFailed { drop.reaper.serverFailed(isOfCancel: seen.isOfCancel) }
        if drop.reaper.hasCancelled, let warning = seen.warning { drop.warning = warning }
        let (isAtRest, timing) = (tracker.isAtRest, cancelTiming)
        if !drop.reaper.hasBegun {
            // The key comes only to who is authenticated, and before the first ReadyForQuery or never.
            if isAtRest { return .end(.finished) }
            if tracker.cancelKey == nil { return tracker.outstanding.isStartingUp ? .none : .end(.noKey) }
            return drop.reaper.begin(timing, at: now)
        }
        if seen.hasAnswered || isAtRest { return drop.reaper.serverAnswered(isBusy: !isAtRest, timing, at: now) }
        // Any message may change it, as it depends on what the record knows and on the transaction status.
        return timing == drop.reaper.timing ? .none : drop.reaper.retimed(timing, at: now)
    }

    package mutating func cancelConcluded(_ result: Reaper.CancelResult, at now: Duration) -> Reaper.Action {
        let timing = cancelTiming
        return drop?.reaper.cancelConcluded(result, timing, at: now) ?? .none
    }

    package mutating func graceCutShort(at now: Duration) -> Reaper.Action {
        drop?.reaper.graceCutShort(at: now) ?? .none
    }

    package mutating func timePassed(at now: Duration) -> Reaper.Action {
        let timing = cancelTiming
        return drop?.reaper.timePassed(timing, at: now) ?? .none
    }
}
