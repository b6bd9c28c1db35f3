// The stage of a client with a server: the messages of each side are scanned and passed on, until one of them leaves.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// A client and its server.
final class Session: Stage, CheckedStage {
    private let client: any StreamSocket
    private let server: any StreamSocket
    private var conversation: Conversation
    /// Present until the login is complete, where the server offers channel binding.
    private var filter: LoginFilter?
    /// The route of the session's connection to the server, and of its cancels.
    private let cancelRoute: CancelRoute?
    private var liveness = PeerLiveness()
    /// Present from the first wait on.
    private var readAhead: ReadAhead?
    /// The flow for which the interests were set last. The small fields are adjacent, as there may be very many
    /// sessions.
    private var flow: Conversation.Flow?
    /// The client is gone, and the session waits until others that left with it are handled.
    private var hasClientLeft = false

    init(
        after previous: Stage,
        _ client: any StreamSocket,
        _ server: any StreamSocket,
        _ state: SessionState,
        _ cancelRoute: CancelRoute?
    ) {
        (self.client, self.server, self.cancelRoute) = (client, server, cancelRoute)
        conversation = Conversation(state)
        filter = LoginFilter.between(client, server)
        super.init(after: previous)
        client.owner = self
        server.owner = self
        noteBusy(true)
    }

    /// Sends the client's startup packet, the first bytes for a new server.
    func begin(with packet: [UInt8]) {
        updateInterests(conversation.open(with: packet, to: server, worker.counters.client))
    }

    /// Performs at most one receive for each side.
    override func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        let isClient = socket === client
        if readiness.contains(.writable) {
            isClient ? flushToClient() : flushToServer()
            if isOver { return }
        }
        if readiness.contains(.readable) {
            isClient ? relayFromClient() : relayFromServer()
        } else if readiness.contains(.closed) {
            // Only a client that must wait is watched for its end alone.
            clientLeft(DropKind(client.takeError()))
        }
    }

    override func shutDown() {
        sendError(.shutdown)
        clientDropped(.shutdown)
    }

    override func close() {
        closeServer()
        client.close()
    }

    override var name: String { conversation.stateName }
    override var isLoggedIn: Bool { !conversation.state.tracker.outstanding.isStartingUp }
    override var backend: Backend { conversation.backend(by: cancelRoute) }
    override var encryption: SessionSnapshot.Encryption { .init(ofClient: client, ofServer: server) }
    override var relaying: Session? { self }
    override var checked: (any CheckedStage)? { self }

    private func sendError(_ error: FatalError) { conversation.toClient.interject(error, to: client) }
}

// MARK: - Relaying

extension Session {
    private func relayFromClient() {
        switch worker.receive(from: client, { passOnToServer($0) }) {
        case .wouldBlock, .bytes: break
        case .endOfStream: clientLeft(.fin)
        case .failed(let error): clientLeft(DropKind(error))
        }
    }

    private func passOnToServer(_ bytes: Span<UInt8>) {
        do throws(MalformedMessage) {
            // If the server takes no more, these bytes are discarded, and its last messages still go to the client.
            follow(try conversation.clientSent(bytes, to: server, worker.counters.client))
        } catch {
            abort(.client, malformed: error)
        }
    }

    private func flushToServer() {
        do throws(MalformedMessage) {
            let step = try conversation.serverHasRoom(server, worker.counters.client)
            if let readAhead, readAhead.isWaiting { readAhead.wait() }
            follow(step)
        } catch {
            abort(.client, malformed: error)
        }
    }

    private func relayFromServer() {
        let received = worker.receive(from: server) { bytes in
            guard let filter else { return passOnToClient(bytes) }
            filter.edit(bytes, refused: { warnAboutChannelBinding() }) { passOnToClient($0) }
            if filter.isDone { self.filter = nil }
        }
        switch received {
        case .wouldBlock, .bytes: break
        case .endOfStream, .failed: serverEnded()
        }
    }

    private func passOnToClient(_ bytes: Span<UInt8>) {
        do throws(MalformedMessage) {
            var isOpened = false
            let step = try conversation.serverSent(bytes, to: client, worker.counters.server) { key in
                if let key, let cancelRoute { register(key, cancelRoute, on: server) }
                isOpened = true
            }
            if isOpened { loggedIn() }
            follow(step)
            if conversation.end.isHeld {
                conversation.releaseTerminate(to: server)
                updateInterests(conversation.flow)
            }
            if let error = step.failure { clientDropped(DropKind(error)) }
        } catch {
            abort(.server, malformed: error)
        }
    }

    @inline(__always) private func follow(_ step: Conversation.Step) {
        noteBusy(step.isBusy)
        if let readAhead, readAhead.isOn { readAhead.charge(step.growth) }
        updateInterests(step.flow)
    }

    private func flushToClient() {
        if let error = conversation.toClient.flush(to: client) { return clientDropped(DropKind(error)) }
        updateInterests(conversation.flow)
    }

    /// A side is read while its earlier bytes have been passed on and, for the client, the record has room, or while it
    /// is read ahead. Otherwise the client is watched for its end, unless its requests are to run in any case.
    private func updateInterests(_ flow: Conversation.Flow) {
        followWait(flow.clientHasToWait)
        var flow = flow
        flow.isReadAhead = readAhead?.isOn ?? false
        guard flow != self.flow, !hasClientLeft else { return }
        self.flow = flow
        let isRead = !flow.clientHasToWait || flow.isReadAhead
        let reading: Interest = isRead ? .read : conversation.state.canBeReaped ? .close : []
        client.interest = reading.union(flow.toClientIsStalled ? .write : [])
        server.interest = (flow.toClientIsStalled ? [] : Interest.read).union(flow.toServerWantsRoom ? .write : [])
    }

    /// Called after each event that can begin or end a wait of the client's bytes.
    private func followWait(_ clientHasToWait: Bool) {
        guard clientHasToWait else { return readAhead?.end() ?? () }
        guard readAhead?.isWaiting != true, conversation.state.canBeReaped else { return }
        if readAhead == nil {
            readAhead = ReadAhead(worker.environment.readAheadQuota, worker.loop) { [unowned self] in
                updateInterests(conversation.flow)
            }
        }
        readAhead?.wait()
    }
}

// MARK: - The end of the client

extension Session {
    /// The client is gone. Where it leaves a running statement it may have to wait for its turn.
    func clientLeft(_ kind: DropKind) {
        guard !isBusy || worker.mayDrop(self, kind) else {
            // The server's end must not be handled before the client's.
            hasClientLeft = true
            server.interest = []
            return client.interest = []
        }
        clientDropped(kind)
    }

    /// The client is gone, or pgleash ends its session.
    func clientDropped(_ kind: DropKind) {
        let limits = worker.environment.configuration.cancel
        switch conversation.clientDropped(kind, limits, worker.monitor(at: cancelRoute)) {
        case .none, .lose: break
        case .end(let reason) where kind.leavesClient: linger(reason)
        case .end(let reason): end(reason)
        case .reap(let action):
            leaveRelay()
            client.close()
            let conversation = exchange(&conversation, with: Conversation())
            Orphan(after: self, server, conversation, cancelRoute, filter).begin(action)
        }
    }

    /// Closes the server's side. The client gets its remaining bytes.
    private func linger(_ reason: EndReason) {
        if reason == .serverClosed, !conversation.state.tracker.outstanding.isStartingUp { worker.serverClosed(self) }
        closeServer()
        LingeringClose(after: self, client, conversation.toClient.buffer, reason).begin()
    }

    private func closeServer() {
        leaveRelay()
        server.close()
    }

    /// Discards the client's bytes for the server, and resets the kernel's pace.
    private func leaveRelay() {
        liveness.end(client, server)
        conversation.toServer.discard()
        readAhead?.end()
        readAhead = nil
    }

    /// A message is malformed: the position of the next one is unknown.
    private func abort(_ side: Side, malformed error: MalformedMessage) {
        worker.counters.protocolErrors[side].add()
        let metadata = logMetadata(["from": "\(side)", "length": "\(error.length)"])
        worker.logThrottled(.warning, "invalid message length", metadata)
        sendError(FatalError(.protocolViolation, "invalid message length \(error.length) from the \(side)"))
        side == .client ? clientDropped(.protocolError) : serverIsGone(.protocolError)
    }
}

// MARK: - The end of the server

extension Session {
    /// With TLS 1.3 a server reports an error of pgleash's certificate only after the handshake.
    private func serverEnded() {
        guard let failure = server.encryptionFailure else { return serverIsGone(.serverClosed) }
        let address = server.peerAddress.map { " at \($0)" } ?? ""
        let reason = "connection to server\(address) failed: \(failure)"
        if conversation.state.tracker.outstanding.isStartingUp {
            closeServer()
            return refuseUnconnected(client, reason, after: conversation.toClient.buffer)
        }
        worker.logThrottled(.warning, "\(reason)", logMetadata)
        serverIsGone(.serverClosed)
    }

    /// The server ended the session. Its last messages go to the client first. A statement whose reply is lost is
    /// cancelled, and the client gets an error.
    private func serverIsGone(_ reason: EndReason) {
        switch conversation.state.serverClosed(at: .zero) {
        case .none, .reap: break
        case .end(let other): linger(reason == .serverClosed ? other : reason)
        case .lose(let loss):
            worker.counters.drops[.serverLost].add()
            cancelUnseen(drop(.serverLost), loss.after(worker.environment.configuration.cancel.grace), cancelRoute)
            sendError(FatalError(.connectionFailure, "server closed the connection unexpectedly"))
            linger(reason)
        }
    }
}

// MARK: - Periodic checks

extension Session {
    /// Checks every `PeerLiveness.checkInterval` whether one of the hosts is lost. An idle session holds nothing that
    /// others wait for, and the kernel's own detection is enough for it.
    ///
    /// - Returns: the side of the lost host.
    func lostSide(at now: MonotonicTime) -> Side? {
        if conversation.isWaitedFor { return liveness.lostSide(client, server, worker.environment, at: now) }
        liveness.end(client, server)
        return nil
    }

    func peerLost(_ side: Side) {
        if side == .client { return clientLeft(.timeout) }
        worker.logThrottled(.warning, "server host unreachable (keepalive timeout)", logMetadata)
        serverIsGone(.serverClosed)
    }

    /// The client has sent Terminate and its batch does not end; or the client is gone, and this could not be seen, as
    /// the bytes before its end are not read. Called every `PeerLiveness.checkInterval`.
    func isClientGoneUnseen() -> Bool {
        if conversation.isTerminateOverdue() { return true }
        guard let readAhead, readAhead.isWaiting, !readAhead.isOn else { return false }
        return client.hasPeerEnded
    }
}
