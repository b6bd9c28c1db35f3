// The state of a session that follows from the messages in both directions. The tracker is a pure value. CancelPolicy
// decides what a drop leads to.

/// The protocol state of one session, beginning with its StartupMessage.
package struct ProtocolTracker: Hashable, Sendable {
    /// The server's messages since the last observation.
    package struct Observation: Hashable, Sendable {
        /// A request was answered.
        package fileprivate(set) var hasAnswered = false
        /// An error arrived.
        package fileprivate(set) var hasFailed = false
        /// An error arrived that is that of a cancelled statement.
        package fileprivate(set) var isOfCancel = false
        /// The last warning without a class of its own (SQLSTATE 01000).
        package fileprivate(set) var warning: ServerMessage?
    }

    /// A separate allocation, as few sessions need it and an idle session should be small.
    private indirect enum Observing: Hashable, Sendable {
        case off
        case on(Observation)
    }

    // The small fields are adjacent, as there may be very many sessions.
    package private(set) var outstanding = OutstandingRequests()
    /// The name was reported again after the login.
    package private(set) var isRenamed = false
    /// The status in the last ReadyForQuery.
    private var transactionStatus = UInt8(ascii: "I")
    /// The last authentication message requires an answer of the client.
    package private(set) var isAskedForPassword = false
    /// The client has sent a Terminate.
    package private(set) var hasTerminated = false
    /// A Terminate was sent to the server, which reads nothing after it.
    package private(set) var hasSentTerminate = false
    /// The server has announced that it ends the session.
    package private(set) var isServerLeaving = false
    /// The server sends a copy.
    package private(set) var isCopyingOut = false
    /// The last copy from the client is in text or CSV format.
    private var isCopyText = false
    /// An error came since the server had answered everything.
    private var hasFailed = false
    /// The server has answered a probe of pgleash.
    private var isProbeAnswered = false
    package private(set) var cancelKey: CancelKey?
    /// The name that the server reported last, or else the client's, as text for the log.
    package private(set) var applicationName: String
    private var observing = Observing.off
    private var prepared = PreparedStatements()

    /// - Parameter applicationName: the name in the StartupMessage.
    package init(applicationName: String = "") { self.applicationName = applicationName }

    /// Requests are outstanding.
    package var isBusy: Bool { outstanding.isBusy }

    /// No request of the client runs: all are answered, or the server waits for a Sync.
    package var isAtRest: Bool { !outstanding.isBusy || outstanding.isAwaitingSync }

    /// All requests that the server has received are answered, and it waits for the rest of a copy or a batch.
    package var isWaitingForClient: Bool { outstanding.copying || outstanding.isBatchAnswered }

    /// The server waits for the data of a copy in text or CSV format.
    package var isCopyingText: Bool { outstanding.copying && isCopyText }

    package var isInTransaction: Bool { transactionStatus != UInt8(ascii: "I") }

    /// A transaction block is open and not failed.
    package var isInBlock: Bool { transactionStatus == UInt8(ascii: "T") }

    /// Scans `bytes`, which the side sent that `scanner` is for.
    ///
    /// - Throws: `MalformedMessage`, as `MessageScanner.scan`.
    package mutating func follow(_ bytes: Span<UInt8>, by scanner: inout MessageScanner) throws(MalformedMessage) {
        switch scanner.direction {
        case .frontend: try scanner.scan(bytes) { kind, body in clientSent(kind, body) }
        case .backend: try scanner.scan(bytes) { kind, body in serverAnswered(kind, body) }
        }
    }
}

// MARK: - Client messages

extension ProtocolTracker {
    /// - Parameter body: the first bytes of the message's body, as `MessageScanner` reports them.
    package mutating func clientSent(_ kind: UInt8, _ body: Span<UInt8> = Span()) {
        switch kind {
        case FrontendKind.query:
            outstanding.clientSent(
                kind, StatementKind(ofQuery: body, isReadWhole: outstanding.hasRequests || isInBlock))
        case FrontendKind.bind: outstanding.clientSent(kind, prepared.kind(boundBy: body))
        case FrontendKind.execute: outstanding.clientSent(kind, prepared.kind(executedBy: body))
        case FrontendKind.parse:
            prepared.parsed(body, isFirst: !outstanding.isBusy)
            outstanding.clientSent(kind)
        case FrontendKind.close:
            prepared.closed(body)
            outstanding.clientSent(kind)
        case FrontendKind.sync:
            prepared.synced()
            outstanding.clientSent(kind)
        case FrontendKind.terminate: (hasTerminated, hasSentTerminate) = (true, true)
        default: outstanding.clientSent(kind)
        }
    }

    /// The client has sent a Terminate, which is sent to the server later.
    package mutating func terminateHeld() { hasTerminated = true }

    /// As `OutstandingRequests.conclude`.
    package mutating func conclude() -> [UInt8] { outstanding.conclude() }

    /// The same after the rest of a CopyData, which is recorded as sent, too.
    package mutating func conclude(after restOfCopyData: [UInt8]) -> [UInt8] {
        clientSent(FrontendKind.copyData)
        return restOfCopyData + conclude()
    }

    /// As `OutstandingRequests.probe`.
    package mutating func probe() -> [UInt8] { outstanding.probe() }
}

// MARK: - Server messages

extension ProtocolTracker {
    /// - Parameter body: the first bytes of the message's body, as `MessageScanner` reports them.
    package mutating func serverAnswered(_ kind: UInt8, _ body: Span<UInt8>) {
        switch kind {
        case BackendKind.readyForQuery: return serverBecameReady(status: body.count > 0 ? body[0] : 0)
        case BackendKind.backendKeyData, BackendKind.authentication, BackendKind.errorResponse,
            BackendKind.noticeResponse, BackendKind.copyInResponse:
            noteBody(of: kind, body)
        case BackendKind.copyBothResponse, BackendKind.copyOutResponse: isCopyingOut = true
        case BackendKind.commandComplete: isCopyingOut = false
        case BackendKind.parameterStatus: return noteParameter(body)
        default: break
        }
        outstanding.serverAnswered(kind)
    }

    /// A separate function, so that the frequent messages stay fast.
    @inline(never) private mutating func noteBody(of kind: UInt8, _ body: Span<UInt8>) {
        switch kind {
        // Only the first key, and only during the startup, where PostgreSQL sends it.
        case BackendKind.backendKeyData where cancelKey == nil && outstanding.isStartingUp:
            cancelKey = CancelKey(backendKeyData: body)
        case BackendKind.copyInResponse: isCopyText = body.count > 0 && body[0] == 0
        case BackendKind.authentication: isAskedForPassword = body.bigEndianUInt32(at: 0) != 0
        case BackendKind.errorResponse, BackendKind.noticeResponse: noteMessage(kind, body)
        default: break
        }
    }

    /// Drivers such as JDBC's set the name after the login.
    private mutating func noteParameter(_ body: Span<UInt8>) {
        guard let value = body.applicationName else { return }
        let name = body.extracting(value)
        // At the start of a session, and with a pooler, the name is most often unchanged.
        guard !name.spell(applicationName) else { return }
        applicationName = clippedName(name)
        isRenamed = !outstanding.isStartingUp
    }

    private mutating func noteMessage(_ kind: UInt8, _ body: Span<UInt8>) {
        if kind == BackendKind.errorResponse { hasFailed = true }
        if ServerMessage.endsSession(body) { isServerLeaving = true }
        guard case .on(var observation) = observing else { return }
        let message = ServerMessage(body: body)
        if kind == BackendKind.errorResponse {
            observation.hasFailed = true
            if message.sqlState == ServerMessage.queryCanceled { observation.isOfCancel = true }
            if LastMessages.isAnswered(by: message) { isProbeAnswered = true }
        } else if message.sqlState == ServerMessage.warning {
            observation.warning = message
        }
        observing = .on(observation)
    }

    private mutating func serverBecameReady(status: UInt8) {
        transactionStatus = status
        (isCopyingOut, isServerLeaving) = (false, false)
        let count = outstanding.count
        outstanding.serverAnswered(BackendKind.readyForQuery)
        if case .on(let observation) = observing { noteReadiness(observation, after: count) }
        if !outstanding.isBusy {
            prepared.settle(hasFailed: hasFailed)
            hasFailed = false
        }
    }

    /// Only a reply to a request counts, not each ReadyForQuery: a server can send any number of these.
    @inline(never) private mutating func noteReadiness(_ observation: Observation, after count: Int) {
        if isProbeAnswered { outstanding.settle() }
        guard outstanding.count < count else { return }
        var observation = observation
        observation.hasAnswered = true
        observing = .on(observation)
    }
}

// MARK: - Observation

extension ProtocolTracker {
    /// Begins to record the server's messages beside the outstanding requests.
    package mutating func observe() { observing = .on(Observation()) }

    /// The observation since the last call, or since `observe`.
    package mutating func takeObservation() -> Observation {
        guard case .on(let observation) = observing else { return Observation() }
        observing = .on(Observation())
        return observation
    }
}
