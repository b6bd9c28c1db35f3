// A SessionState driven as Session drives it, with checks of the rules for every session. The caller chooses the events
// and their order.

import CancelPolicy
import PostgresProtocol
import Reactor

/// One session without sockets: the state, and the part of Session that determines which events can follow.
package struct DrivenSession: Hashable, Sendable {
    package enum Event: Equatable, Sendable {
        /// The message types of one receive. `b` is a Query with BEGIN, `k` one with COMMIT.
        case clientSent([UInt8])
        /// The same. `y` is a ReadyForQuery within a transaction block, `x` the error of a cancelled statement, `p` the
        /// one of a probe.
        case serverAnswered([UInt8])
        case clientDropped(DropKind)
        case serverClosed
        /// The requested cancel is written and can no longer be withdrawn.
        case cancelBegan
        case cancelConcluded(Reaper.CancelResult)
        /// The requested time has come.
        case timerFired
    }

    package enum Stage: Hashable, Sendable { case relaying, reaping, ended }

    enum Order: Hashable, Sendable { case waiting, begun }

    /// The time between two events.
    private static let tick = Duration.milliseconds(1)

    package private(set) var stage = Stage.relaying
    package private(set) var cancelsOrdered = 0

    private(set) var state: SessionState
    private(set) var order: Order?
    /// The order is to end the backend.
    private(set) var isEnd = false
    /// The number of such orders.
    private(set) var endsOrdered = 0
    private(set) var endsSent = 0
    private(set) var timer: Duration?
    /// The time since the drop.
    private(set) var now = Duration.zero
    private(set) var hasEndedStream = false
    private(set) var hasReceivedBytes = false
    private(set) var probes = 0
    private(set) var hasFailed = false
    private(set) var cancelsSent = 0
    private(set) var drops = 0
    private(set) var outcomes = 0
    private let isReplication: Bool
    /// The server sends the stream of a replication session.
    private var isStreaming = false
    let isExcluded: Bool
    let grace: Duration
    /// The message within which the client leaves, until its rest is sent.
    private(set) var cut: CutMessage?
    let timeout: Duration
    let monitor: Reaper.Monitor?

    /// - Parameters:
    ///   - cut: the message within which the client leaves.
    ///   - timeout: the time after which the reaping is given up.
    ///   - grace: the time before the first cancel.
    ///   - monitor: the means of the monitor; nil where there is none.
    package init(
        isReplication: Bool = false,
        isExcluded: Bool = false,
        cut: CutMessage? = nil,
        timeout: Duration = .seconds(30),
        grace: Duration = .zero,
        monitor: Reaper.Monitor? = nil
    ) {
        self.monitor = monitor
        self.isReplication = isReplication
        self.isExcluded = isExcluded
        self.cut = cut
        self.timeout = timeout
        self.grace = grace
        state = SessionState(isReplication: isReplication, exclusion: isExcluded ? .whole : .none)
    }

    /// Performs `event` if it is possible now.
    ///
    /// - Returns: false when it is not.
    /// - Throws: the rule that was broken.
    package mutating func apply(_ event: Event) throws(Violation) -> Bool {
        guard canHappen(event) else { return false }
        if stage == .reaping { now += Self.tick }
        switch event {
        case .clientSent(let kinds): for kind in kinds { clientSent(kind) }
        case .serverAnswered(let kinds): try serverAnswered(kinds)
        case .clientDropped(let kind): try clientDropped(kind)
        case .serverClosed: try serverClosed()
        case .cancelBegan: order = .begun
        case .cancelConcluded(let result):
            order = nil
            if result == .sent { noteSent() }
            try perform(state.cancelConcluded(result, at: now))
        case .timerFired: try fireTimer()
        }
        try checkStage()
        return true
    }

    private func canHappen(_ event: Event) -> Bool {
        switch event {
        // A client with too many outstanding requests is not read for a while.
        case .clientSent: stage == .relaying && !state.tracker.outstanding.isFull
        case .clientDropped: stage == .relaying
        case .serverAnswered, .serverClosed: stage != .ended
        case .cancelBegan: stage == .reaping && order == .waiting
        // The session itself withdraws the cancel.
        case .cancelConcluded(let result): stage == .reaping && order == .begun && result != .withdrawn
        case .timerFired: stage == .reaping && timer != nil
        }
    }

    /// Drops the client, if it is still there, and lets only the time pass.
    package mutating func outlast() throws(Violation) {
        _ = try apply(.clientDropped(.fin))
        // Except for the first few, cancels are at least 25 ms apart; each needs two wake-ups at most.
        let mostTimers = 100 + 2 * Int(timeout / .milliseconds(25))
        for _ in 0..<mostTimers where stage == .reaping {
            if order == .waiting { _ = try apply(.cancelBegan) }
            _ = try apply(order == .begun && cancelsOrdered % 2 == 0 ? .cancelConcluded(.notSent) : .timerFired)
        }
        try checkRule(stage == .ended, "a reaping has ended when its deadline has passed")
    }
}

// MARK: - The steps of Session

extension DrivenSession {
    private mutating func clientSent(_ kind: UInt8) {
        switch kind {
        case UInt8(ascii: "b"): state.tracker.clientSent(FrontendKind.query, Array("BEGIN\0".utf8).span)
        case UInt8(ascii: "k"): state.tracker.clientSent(FrontendKind.query, Array("COMMIT\0".utf8).span)
        default: state.tracker.clientSent(kind)
        }
    }

    private mutating func serverAnswered(_ kinds: [UInt8]) throws(Violation) {
        for kind in kinds {
            let (kind, body) = Self.message(kind)
            if kind == BackendKind.errorResponse, order != nil || cancelsSent > 0 || endsSent > 0 {
                hasFailed = true
            }
            state.tracker.serverAnswered(kind, body.span)
            switch kind {
            case BackendKind.copyBothResponse, BackendKind.copyOutResponse: isStreaming = isReplication
            case BackendKind.commandComplete, BackendKind.readyForQuery: isStreaming = false
            default: break
            }
        }
        if stage == .reaping { try perform(state.serverAnsweredWhileReaping(at: now)) }
    }

    private static func message(_ kind: UInt8) -> (kind: UInt8, body: [UInt8]) {
        switch kind {
        case BackendKind.backendKeyData: (kind, [0, 0, 1, 0, 9, 9, 9, 9])
        case BackendKind.readyForQuery: (kind, [UInt8(ascii: "I")])
        case BackendKind.authentication: (kind, [0, 0, 0, 0])
        case BackendKind.copyInResponse: (kind, [0, 0, 0])
        case UInt8(ascii: "y"): (BackendKind.readyForQuery, [UInt8(ascii: "T")])
        case UInt8(ascii: "x"): (BackendKind.errorResponse, Array("SERROR\0C57014\0Mcanceled\0\0".utf8))
        case UInt8(ascii: "p"):
            (BackendKind.errorResponse, Array("SERROR\0C34000\0Mportal \"\(LastMessages.portal)\"\0\0".utf8))
        default: (kind, [])
        }
    }

    private mutating func clientDropped(_ kind: DropKind) throws(Violation) {
        let onlyStreams = isStreaming && state.tracker.outstanding.count == 1
        let wasReapable = !state.tracker.isAtRest && !onlyStreams && !state.tracker.isServerLeaving
        switch state.clientDropped(kind, cut: cut, timeout: timeout, grace: grace, monitor: monitor) {
        case .none, .lose: throw Violation("a drop leads somewhere: \(self)")
        case .end:
            let mayBeLeft = !wasReapable || state.tracker.cancelKey == nil && state.tracker.outstanding.isStartingUp
            try checkRule(mayBeLeft, "what a busy client leaves is reaped")
            end()
        case .reap(let action):
            try checkRule(wasReapable, "an idle or a replicating session is left alone")
            stage = .reaping
            drops += 1
            try perform(action)
        }
    }

    private mutating func serverClosed() throws(Violation) {
        switch state.serverClosed(at: now) {
        case .lose(let loss):
            try checkLoss(stage == .relaying ? loss.after(grace) : loss)
            if stage == .reaping { outcomes += 1 }
            end()
        case .none: throw Violation("a session ends when its server closes: \(self)")
        case .end:
            try checkRule(stage == .relaying, "a reaping ends with an outcome")
            end()
        case .reap(let action):
            try checkRule(stage == .reaping, "only what a client left is reaped")
            try perform(action)
            try checkRule(stage == .ended, "a session ends when its server closes")
        }
    }

    private mutating func fireTimer() throws(Violation) {
        if let time = timer { now = max(now, time) }
        timer = nil
        try perform(state.timePassed(at: now))
    }

    private mutating func perform(_ action: Reaper.Action) throws(Violation) {
        switch action {
        case .none: break
        case .cancel: try orderCancel()
        case .endBackend: try orderEnd()
        case .withdrawCancel: try withdrawCancel()
        case .probe(let time):
            try probe()
            timer = time
        case .wake(let time): timer = time
        case .end(let outcome):
            try checkRule(stage == .reaping, "a reaping ends once")
            try checkOutcome(outcome)
            outcomes += 1
            end()
        }
        if stage == .reaping { try perform(state.nextEnding(at: now)) }
    }

    private mutating func noteSent() {
        if isEnd { endsSent += 1 } else { cancelsSent += 1 }
    }

    private mutating func withdrawCancel() throws(Violation) {
        try checkRule(order != nil, "only a cancel that was asked for is withdrawn")
        let hasArrived = state.reaper?.hasCancelArrived == true
        guard order == .waiting || hasArrived else { return }
        if order == .begun { noteSent() }
        let result = order == .waiting ? Reaper.CancelResult.withdrawn : .sent
        order = nil
        try perform(state.cancelConcluded(result, at: now))
    }

    private mutating func perform(_ ending: SessionState.Ending) throws(Violation) {
        switch ending {
        case .nothing: break
        case .send(let bytes):
            try checkMessages(bytes)
            (hasReceivedBytes, cut) = (true, nil)
        case .endStream:
            try checkEndOfStream()
            hasEndedStream = true
        }
    }

    private mutating func probe() throws(Violation) {
        let ending = state.probe(at: now)
        if case .send = ending {
            probes += 1
            try checkRule(probes <= 2, "the server is probed twice at most")
        }
        try perform(ending)
    }

    private mutating func orderCancel() throws(Violation) {
        try checkCancel()
        (order, isEnd) = (.waiting, false)
        cancelsOrdered += 1
        timer = state.reaper?.wakeTime
    }

    private mutating func orderEnd() throws(Violation) {
        try checkEnd()
        (order, isEnd) = (.waiting, true)
        endsOrdered += 1
        timer = state.reaper?.wakeTime
    }

    private mutating func end() {
        stage = .ended
        timer = nil
    }
}
