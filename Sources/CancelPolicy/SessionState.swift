// The decision what happens when the client or the server of a session leaves. The state is a pure value: it holds no
// socket and reads no clock, so tables of cases can test it.

import PostgresProtocol

/// The state of one session from its StartupMessage to its end.
package struct SessionState: Hashable, Sendable {
    package enum Action: Equatable, Sendable {
        case none
        /// Close both sides. The session is over.
        case end(EndReason)
        /// The client is gone: close its side, read and discard the server's messages, and carry out the reaper's
        /// action.
        case reap(Reaper.Action)
        /// The connection to the server is gone, and the statement may still run.
        case lose(Loss)
    }

    /// The state of a session whose client is gone.
    struct Drop: Hashable, Sendable {
        var reaper: Reaper
        /// The client left within this message, so no other message can follow.
        var cut: CutMessage?
        var hasEndedStream = false
        /// The server's last warning after a cancel.
        var warning: ServerMessage?

        var isCut: Bool { cut != nil }
    }

    /// A separate allocation, as few sessions need it and an idle session should be small.
    private indirect enum Reaping: Hashable, Sendable {
        case none
        case begun(Drop)
    }

    /// The state that follows from the messages.
    package var tracker: ProtocolTracker
    package private(set) var dropKind: DropKind?
    private let isReplication: Bool
    private var reaping = Reaping.none
    private let exclusion: SessionExclusion

    /// - Parameters:
    ///   - isReplication: the session is a walsender's. Its statements are cancelled as in any other session, but not
    ///     its stream.
    ///   - applicationName: the name in the StartupMessage.
    ///   - exclusion: whether the operator, or the client itself, excludes the session from cancelling.
    package init(isReplication: Bool, applicationName: String = "", exclusion: SessionExclusion = .none) {
        tracker = ProtocolTracker(applicationName: applicationName)
        self.isReplication = isReplication
        self.exclusion = exclusion
    }

    private var isExcluded: Bool { exclusion.covers(tracker.applicationName, isRenamed: tracker.isRenamed) }

    /// The session's statement is cancelled when the client leaves.
    package var canBeReaped: Bool { !onlyStreams && !isExcluded }

    /// The walsender sends WAL or a base backup, and no other request is outstanding. It notices the end of its
    /// connection itself.
    private var onlyStreams: Bool { isReplication && tracker.isCopyingOut && tracker.outstanding.count == 1 }

    /// A Terminate must wait while a statement runs that a pooler would let continue.
    package var mustHoldTerminate: Bool {
        let outstanding = tracker.outstanding
        guard outstanding.isBusy, canBeReaped else { return false }
        // A Terminate in place of a password gets no reply.
        if outstanding.isStartingUp { return outstanding.hasRequests }
        return !outstanding.isBatchAnswered && !outstanding.isAwaitingSync
    }

    /// The reaper, from the drop on.
    package var reaper: Reaper? { drop?.reaper }

    var drop: Drop? {
        get { if case .begun(let drop) = reaping { drop } else { nil } }
        set { reaping = newValue.map { .begun($0) } ?? .none }
    }

    /// The time at which the request that the server processes may be cancelled, or its backend ended.
    package var cancelTiming: CancelTiming {
        let (timing, requests) = (requestTiming, tracker.outstanding.requests)
        guard timing != .atOnce, drop?.reaper.canEndBackend == true, !requests.isEmpty else { return timing }
        // A COMMIT that has not begun to wait for its standby would not wait for it.
        return requests.first?.kind.isControl == true ? timing : .endOfBackend
    }

    /// The same without a monitor.
    var requestTiming: CancelTiming { tracker.outstanding.cancelTiming(isInBlock: tracker.isInBlock) }

    /// The statement can be cancelled. Without the key, only the monitor can do it.
    private var isCancellable: Bool {
        tracker.cancelKey != nil || drop?.reaper.canEndBackend == true && !tracker.outstanding.isStartingUp
    }

    /// The server's warning since a cancel was sent: most often that a commit did not wait for its standby.
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
    ///   - kind: the way in which it left, as the socket reports it; after a Terminate this is `.terminate`.
    ///   - cut: the message within which the client left, if the server has received a part of it.
    ///   - timeout: the time after which pgleash gives up.
    ///   - grace: the time before the first cancel.
    ///   - monitor: the means of the monitor; nil where there is none.
    package mutating func clientDropped(
        _ kind: DropKind,
        cut: CutMessage? = nil,
        timeout: Duration,
        grace: Duration = .zero,
        monitor: Reaper.Monitor? = nil
    ) -> Action {
        precondition(drop == nil, "a client drops once")
        let kind = tracker.hasTerminated && (kind == .fin || kind == .reset) ? .terminate : kind
        dropKind = kind
        if tracker.isAtRest || onlyStreams { return .end(kind.idleEnd) }
        // A cancel would find no process.
        if tracker.isServerLeaving { return .end(kind.idleEnd) }
        let (cancelKey, outstanding) = (tracker.cancelKey, tracker.outstanding)
        // A client that has sent nothing after the startup packet has nothing to cancel before the key has arrived.
        if cancelKey == nil, outstanding.isStartingUp, !outstanding.hasRequests { return .end(kind.idleEnd) }
        tracker.observe()
        let step = cancelKey?.processID ?? 0
        var drop = Drop(reaper: Reaper(timeout: timeout, grace: grace, step: step, monitor: monitor), cut: cut)
        // The server only waits for its client, and `nextEnding` ends this.
        if tracker.isWaitingForClient { drop.reaper.expectRest(at: .zero) }
        self.drop = drop
        if isExcluded { return .reap(.end(.excluded)) }
        if isCancellable { return .reap(beginReaping(at: .zero)) }
        return .reap(outstanding.isStartingUp ? drop.reaper.beginWithoutKey() : .end(.noKey))
    }

    private mutating func beginReaping(at now: Duration) -> Reaper.Action {
        let timing = cancelTiming
        return drop?.reaper.begin(timing, at: now) ?? .none
    }

    /// Messages of the server were scanned while the session is being reaped.
    ///
    /// - Parameter now: the time since the drop, as in the functions below.
    package mutating func serverAnsweredWhileReaping(at now: Duration) -> Reaper.Action {
        guard var drop else { return .none }
        defer { self.drop = drop }
        let seen = tracker.takeObservation()
        if seen.hasFailed { drop.reaper.serverFailed(isOfCancel: seen.isOfCancel) }
        if drop.reaper.hasCancelled, let warning = seen.warning { drop.warning = warning }
        let (isAtRest, timing) = (tracker.isAtRest, cancelTiming)
        if !drop.reaper.hasBegun {
            // Only an authenticated client gets a key, and only before the first ReadyForQuery.
            if isAtRest { return .end(.finished) }
            guard isCancellable else { return tracker.outstanding.isStartingUp ? .none : .end(.noKey) }
            return drop.reaper.begin(timing, at: now)
        }
        if seen.hasAnswered || isAtRest { return drop.reaper.serverAnswered(isBusy: !isAtRest, timing, at: now) }
        // Any message can change the timing, which depends on the record and on the transaction status.
        return timing == drop.reaper.timing ? .none : drop.reaper.retimed(timing, at: now)
    }

    /// A cancel, or the end of the backend, was sent or could not be.
    package mutating func cancelConcluded(_ result: Reaper.CancelResult, at now: Duration) -> Reaper.Action {
        if result == .notSent { drop?.reaper.signalFailed() }
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
