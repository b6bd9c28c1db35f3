// What is known of a session, and what is to be done when one of its ends goes away. A pure value: it holds no
// socket and reads no clock, so it can be tested as a table.

import PostgresWire
import Reactor

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
    struct Orphan: Hashable, Sendable {
        var reaper: Reaper
        /// The client left within a message, so nothing can be said after it.
        let isCut: Bool
        var hasEndedStream = false
        /// The server has answered what it was asked last.
        var isProbeAnswered = false
        /// What it warned of after a cancel.
        var warning: ServerMessage?
    }

    /// Kept apart, as few sessions ever come to it, and an idle one shall be small.
    private indirect enum Reaping: Hashable, Sendable {
        case none
        case begun(Orphan)
    }

    package internal(set) var owed = Owed()
    package private(set) var cancelKey: CancelKey?
    private var reaping = Reaping.none
    private var prepared = PreparedStatements()
    /// Of the last ReadyForQuery.
    private var transactionStatus = UInt8(ascii: "I")
    /// The last authentication message asked the client for something.
    private(set) var isAskedForPassword = false
    package private(set) var dropKind: DropKind?

    private let isReplication: Bool
    private let isExcluded: Bool
    private(set) var hasTerminated = false
    /// The server has said that it ends the session.
    package private(set) var isServerLeaving = false
    /// The server has been sent a Terminate. It reads nothing after it.
    private(set) var hasSentTerminate = false
    /// The server sends a copy.
    private(set) var isCopyingOut = false
    /// A request was answered since the reaper was told last.
    private var hasAnswered = false

    /// - Parameters:
    ///   - isReplication: a walsender's session. What it runs is cancelled as in any other, but not what it streams.
    ///   - isExcluded: the operator, or the client itself, wants nothing of it cancelled.
    package init(isReplication: Bool, isExcluded: Bool = false) {
        self.isReplication = isReplication
        self.isExcluded = isExcluded
    }

    /// The server owes the client an answer.
    package var isBusy: Bool { owed.isBusy }

    /// Nothing of the client's runs: all is answered, or the server waits for a Sync.
    package var isAtRest: Bool { !owed.isBusy || owed.isHalted }

    package var isInTransaction: Bool { transactionStatus != UInt8(ascii: "I") }

    /// What its client leaves behind is cancelled.
    package var canBeReaped: Bool { !onlyStreams && !isExcluded }

    /// A walsender sends WAL or a base backup, and nothing else is owed: it notices the end of its connection.
    private var onlyStreams: Bool { isReplication && isCopyingOut && owed.count == 1 }

    /// A Terminate has to wait, as something runs that a pooler would forget.
    package var mustHoldTerminate: Bool {
        guard owed.isBusy, canBeReaped else { return false }
        // Who says goodbye in place of a password gets no answer.
        if owed.isStartingUp { return owed.hasRequests }
        return !isWaitingForClient && !owed.isHalted
    }

    /// All that the server has got is answered, and it waits for the rest of a copy or a batch.
    var isWaitingForClient: Bool { owed.copying || owed.isBatchAnswered }

    /// Set at the drop.
    package var reaper: Reaper? { orphan?.reaper }

    var orphan: Orphan? {
        get { if case .begun(let orphan) = reaping { orphan } else { nil } }
        set { reaping = newValue.map { .begun($0) } ?? .none }
    }

    /// When the request that the server is at may be cancelled.
    package var cancelTiming: CancelTiming { owed.cancelTiming(isInBlock: isInBlock) }

    /// A transaction block is open and has not failed.
    private var isInBlock: Bool { transactionStatus == UInt8(ascii: "T") }

    /// - Parameter body: the first bytes of the message's body, as `MessageScanner` notes them.
    package mutating func clientSent(_ kind: UInt8, _ body: Span<UInt8> = Span()) {
        switch kind {
        case FrontendKind.query:
            owed.clientSent(kind, StatementKind(ofQuery: body, isReadWhole: owed.hasRequests || isInBlock))
        case FrontendKind.bind: owed.clientSent(kind, prepared.kind(boundBy: body))
        case FrontendKind.parse:
            prepared.parsed(body)
            owed.clientSent(kind)
        case FrontendKind.terminate: (hasTerminated, hasSentTerminate) = (true, true)
        default: owed.clientSent(kind)
        }
    }

    /// The client has sent a Terminate, which the server gets later.
    mutating func terminateHeld() { hasTerminated = true }

    /// - Parameter body: the first bytes of the message's body, as `MessageScanner` notes them.
    package mutating func serverAnswered(_ kind: UInt8, _ body: Span<UInt8>) {
        switch kind {
        case BackendKind.readyForQuery: return serverBecameReady(status: body.count > 0 ? body[0] : 0)
        case BackendKind.backendKeyData, BackendKind.authentication, BackendKind.errorResponse,
            BackendKind.noticeResponse:
            noteBody(of: kind, body)
        case BackendKind.copyBothResponse, BackendKind.copyOutResponse: isCopyingOut = true
        case BackendKind.commandComplete: isCopyingOut = false
        default: break
        }
        owed.serverAnswered(kind)
    }

    /// Apart, as few messages come to it and all others are to pass quickly.
    @inline(never) private mutating func noteBody(of kind: UInt8, _ body: Span<UInt8>) {
        switch kind {
        // The first one, and only where it belongs: others are told by it.
        case BackendKind.backendKeyData where cancelKey == nil && owed.isStartingUp:
            cancelKey = CancelKey(backendKeyData: body)
        case BackendKind.authentication: isAskedForPassword = body.bigEndianUInt32(at: 0) != 0
        case BackendKind.errorResponse, BackendKind.noticeResponse: noteMessage(kind, body)
        default: break
        }
    }

    private mutating func serverBecameReady(status: UInt8) {
        transactionStatus = status
        (isCopyingOut, isServerLeaving) = (false, false)
        let count = owed.count
        owed.serverAnswered(BackendKind.readyForQuery)
        if dropKind != nil { noteReadiness(after: count) }
    }

    /// The reaper is told of requests that were answered, not of each ReadyForQuery: a server may send any number.
    @inline(never) private mutating func noteReadiness(after count: Int) {
        if orphan?.isProbeAnswered == true { owed.settle() }
        if owed.count < count { hasAnswered = true }
    }

    /// What an error or a notice tells of a session without a client.
    private mutating func noteMessage(_ kind: UInt8, _ body: Span<UInt8>) {
        if ServerMessage.endsSession(body) { isServerLeaving = true }
        guard var orphan else { return }
        let message = ServerMessage(body: body)
        if kind == BackendKind.errorResponse {
            orphan.reaper.serverFailed(isOfCancel: message.sqlState == ServerMessage.queryCanceled)
            if LastMessages.isAnswered(by: message) { orphan.isProbeAnswered = true }
        } else if orphan.reaper.hasCancelled, message.sqlState == ServerMessage.warning {
            orphan.warning = message
        }
        self.orphan = orphan
    }

    /// What the server warned of since it was sent a cancel: most often that a commit did not wait for its standby.
    package mutating func takeWarning() -> ServerMessage? {
        guard let warning = orphan?.warning else { return nil }
        orphan?.warning = nil
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
        at now: MonotonicTime,
        timeout: Duration,
        grace: Duration = .zero
    ) -> Action {
        precondition(orphan == nil, "a client drops once")
        let kind = hasTerminated && (kind == .fin || kind == .reset) ? .terminate : kind
        dropKind = kind
        if isAtRest || onlyStreams { return .end(kind.idleEnd) }
        // A cancel would find no process.
        if isServerLeaving { return .end(kind.idleEnd) }
        // Who has sent nothing behind the start-up packet has nothing to be cancelled before the key is there.
        if cancelKey == nil, owed.isStartingUp, !owed.hasRequests { return .end(kind.idleEnd) }
        hasAnswered = false
        let step = cancelKey?.processID ?? 0
        var orphan = Orphan(reaper: Reaper(droppedAt: now, timeout: timeout, grace: grace, step: step), isCut: isCut)
        // The server waits for its client alone, and `nextEnding` ends that.
        if isWaitingForClient { orphan.reaper.restIsNear(at: now) }
        defer { self.orphan = orphan }
        if isExcluded { return .reap(.end(.excluded)) }
        if cancelKey != nil { return .reap(orphan.reaper.begin(cancelTiming, at: now)) }
        return .reap(owed.isStartingUp ? orphan.reaper.beginWithoutKey() : .end(.noKey))
    }

    /// Bytes of the server were scanned while the session is being reaped.
    package mutating func serverAnsweredWhileReaping(at now: MonotonicTime) -> Reaper.Action {
        if reaper?.hasBegun == false { return beginOnceKeyed(at: now) }
        let (isAtRest, timing) = (isAtRest, cancelTiming)
        defer { hasAnswered = false }
        if hasAnswered || isAtRest { return orphan?.reaper.serverAnswered(isBusy: !isAtRest, timing, at: now) ?? .none }
        // Any message may change it, as it depends on what the record knows and on the transaction status.
        return timing == reaper?.timing ? .none : orphan?.reaper.retimed(timing, at: now) ?? .none
    }

    /// The key comes only to who is authenticated, and before the first ReadyForQuery or never.
    private mutating func beginOnceKeyed(at now: MonotonicTime) -> Reaper.Action {
        if isAtRest { return .end(.finished) }
        if cancelKey == nil { return owed.isStartingUp ? .none : .end(.noKey) }
        hasAnswered = false
        let timing = cancelTiming
        return orphan?.reaper.begin(timing, at: now) ?? .none
    }

    package mutating func cancelConcluded(_ result: Reaper.CancelResult, at now: MonotonicTime) -> Reaper.Action {
        let timing = cancelTiming
        return orphan?.reaper.cancelConcluded(result, timing, at: now) ?? .none
    }

    package mutating func graceCutShort(at now: MonotonicTime) -> Reaper.Action {
        orphan?.reaper.graceCutShort(at: now) ?? .none
    }

    package mutating func timePassed(at now: MonotonicTime) -> Reaper.Action {
        let timing = cancelTiming
        return orphan?.reaper.timePassed(timing, at: now) ?? .none
    }
}
