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
    }

    /// Kept apart, as few sessions ever come to it, and an idle one shall be small.
    private indirect enum Reaping: Hashable, Sendable {
        case none
        case begun(Reaper)
    }

    package private(set) var owed = Owed()
    package private(set) var cancelKey: CancelKey?
    private var reaping = Reaping.none
    package private(set) var isInTransaction = false
    package private(set) var dropKind: DropKind?

    private let isReplication: Bool
    private let isExcluded: Bool
    private var hasTerminated = false
    private var hasBecomeReady = false
    /// The client left in the middle of what it had to say.
    private var isCutOff = false

    /// - Parameters:
    ///   - isReplication: a walsender's session, which is never cancelled and owes nothing in the sense of this record.
    ///   - isExcluded: the operator, or the client itself, wants nothing of it cancelled.
    package init(isReplication: Bool, isExcluded: Bool = false) {
        self.isReplication = isReplication
        self.isExcluded = isExcluded
    }

    /// The server owes the client an answer.
    package var isBusy: Bool { owed.isBusy }

    /// Nothing of the client's runs: all is answered, or the server waits for a Sync.
    package var isAtRest: Bool { !owed.isBusy || owed.isHalted }

    /// What its client leaves behind is cancelled.
    package var canBeReaped: Bool { !isReplication && !isExcluded }

    /// Set at the drop.
    package private(set) var reaper: Reaper? {
        get { if case .begun(let reaper) = reaping { reaper } else { nil } }
        set { reaping = newValue.map { .begun($0) } ?? .none }
    }

    package mutating func clientSent(_ kind: UInt8) {
        if kind == FrontendKind.terminate { hasTerminated = true }
        owed.clientSent(kind)
    }

    /// - Parameter body: the first bytes of the message's body, as `MessageScanner` notes them.
    package mutating func serverAnswered(_ kind: UInt8, _ body: Span<UInt8>) {
        switch kind {
        // The first one, and only where it belongs: others are told by it.
        case BackendKind.backendKeyData where cancelKey == nil && owed.isStartingUp:
            cancelKey = CancelKey(backendKeyData: body)
        case BackendKind.readyForQuery:
            isInTransaction = body.count > 0 && body[0] != UInt8(ascii: "I")
            hasBecomeReady = true
        default: break
        }
        owed.serverAnswered(kind)
    }

    /// The client is gone.
    ///
    /// - Parameters:
    ///   - kind: how, as far as the socket tells; behind a Terminate the end is a `.terminate`.
    ///   - isCutOff: the server has not got all that the client sent, or not the whole of a message.
    ///   - timeout: after which the reaping of what it left is given up.
    ///   - grace: how long it may go on before it is cancelled.
    package mutating func clientDropped(
        _ kind: DropKind,
        isCutOff: Bool = false,
        at now: MonotonicTime,
        timeout: Duration,
        grace: Duration = .zero
    ) -> Action {
        precondition(reaper == nil, "a client drops once")
        let kind = hasTerminated && (kind == .fin || kind == .reset) ? .terminate : kind
        dropKind = kind
        if isAtRest || isReplication { return .end(kind.idleEnd) }
        // Who has sent nothing behind the start-up packet has nothing to be cancelled before the key is there.
        if cancelKey == nil, owed.isStartingUp, !owed.hasRequests { return .end(kind.idleEnd) }
        hasBecomeReady = false
        self.isCutOff = isCutOff
        var reaper = Reaper(droppedAt: now, timeout: timeout, grace: grace)
        defer { self.reaper = reaper }
        if isExcluded { return .reap(.end(.excluded)) }
        if cancelKey != nil { return .reap(reaper.begin(at: now)) }
        return .reap(owed.isStartingUp ? reaper.beginWithoutKey() : .end(.noKey))
    }

    /// Bytes of the server were scanned while the session is being reaped.
    package mutating func serverAnsweredWhileReaping(at now: MonotonicTime) -> Reaper.Action {
        if reaper?.hasBegun == false { return beginOnceKeyed(at: now) }
        let isAtRest = isAtRest
        guard hasBecomeReady || isAtRest else { return .none }
        hasBecomeReady = false
        return reaper?.serverAnswered(isBusy: !isAtRest, at: now) ?? .none
    }

    /// The key comes only to who is authenticated, and before the first ReadyForQuery or never.
    private mutating func beginOnceKeyed(at now: MonotonicTime) -> Reaper.Action {
        if isAtRest { return .end(.finished) }
        if cancelKey == nil { return owed.isStartingUp ? .none : .end(.noKey) }
        hasBecomeReady = false
        return reaper?.begin(at: now) ?? .none
    }

    package mutating func cancelConcluded(_ result: Reaper.CancelResult, at now: MonotonicTime) -> Reaper.Action {
        let awaitsClient = isCutOff || owed.awaitsClient
        return reaper?.cancelConcluded(result, awaitsClient: awaitsClient, at: now) ?? .none
    }

    package mutating func graceCutShort(at now: MonotonicTime) -> Reaper.Action {
        reaper?.graceCutShort(at: now) ?? .none
    }

    package mutating func timePassed(at now: MonotonicTime) -> Reaper.Action {
        reaper?.timePassed(at: now) ?? .none
    }

    /// The server closed its side.
    package func serverClosed() -> Action {
        if let reaper { return .reap(reaper.serverClosed()) }
        return .end(hasTerminated ? .clientTerminated : .serverClosed)
    }
}
