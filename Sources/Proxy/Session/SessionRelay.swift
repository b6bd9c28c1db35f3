// The stage a session spends its life in: what one side sends is followed and goes to the other.

import CancelPolicy
import PostgresProtocol
import Reactor
import Telemetry

extension Session {
    /// The socket of `side` of a relaying session became ready: at most one receive for each side.
    func relay(_ side: Side, _ socket: any StreamSocket, _ readiness: Readiness) {
        if readiness.contains(.writable) { flush(to: side) }
        guard case .relaying = stage else { return }
        if readiness.contains(.readable) {
            side == .client ? relay(fromClient: socket) : relay(fromServer: socket)
        } else if readiness.contains(.closed) {
            // Only the client is watched for its end alone, while it has to wait.
            clientLeft(DropKind(client.takeError()))
        }
    }

    /// The client is gone; where it leaves something behind it may have to wait until that is seen to.
    func clientLeft(_ kind: DropKind) {
        guard busySince == nil || worker.mayDrop(self, kind) else {
            // The server's end must not be seen before the client's.
            hasClientLeft = true
            server?.interest = []
            return client.interest = []
        }
        clientDropped(kind)
    }

    private func relay(fromClient client: any StreamSocket) {
        switch worker.receive(from: client, { passOnToServer($0) }) {
        case .wouldBlock, .bytes: break
        case .endOfStream: clientLeft(.fin)
        case .failed(let error): clientLeft(DropKind(error))
        }
    }

    private func passOnToServer(_ bytes: Span<UInt8>) {
        guard let server else { return }
        do throws(MalformedMessage) {
            // If the server takes no more, the client's further bytes go nowhere, and what the server said before it
            // left still goes to the client.
            follow(try conversation.clientSent(bytes, to: server, worker.counters.client))
        } catch {
            breakOff(.client, error)
        }
    }

    private func relay(fromServer server: any StreamSocket) {
        let received = worker.receive(from: server) { bytes in
            if channelBinding == nil { passOnToClient(bytes) } else { withEdited(bytes) { passOnToClient($0) } }
        }
        switch received {
        case .wouldBlock, .bytes: break
        case .endOfStream, .failed: serverEnded(server)
        }
    }

    /// Of what is wrong with our certificate a server speaks only when the handshake is over for us (TLS 1.3).
    private func serverEnded(_ server: any StreamSocket) {
        guard let failure = server.encryptionFailure else { return serverClosed() }
        let address = server.peerAddress.map { " at \($0)" } ?? ""
        let reason = "connection to server\(address) failed: \(failure)"
        if conversation.state.tracker.owed.isStartingUp { return connectionFailed(reason) }
        worker.logThrottled(.warning, "\(reason)", logMetadata)
        serverClosed()
    }

    private func passOnToClient(_ bytes: Span<UInt8>) {
        do throws(MalformedMessage) {
            let step: Conversation.Step
            if listing == .awaited {
                // The key is listed before the client has it, and could use it.
                try conversation.serverSent(bytes, worker.counters.server)
                listKey()
                step = conversation.deliver(bytes, to: client)
            } else {
                step = try conversation.serverSent(bytes, to: client, worker.counters.server)
            }
            follow(step)
            if conversation.end.isHeld { releaseTerminate() }
            if let error = step.failure { clientDropped(DropKind(error)) }
        } catch {
            breakOff(.server, error)
        }
    }

    private func listKey() {
        if let key = conversation.state.tracker.cancelKey, let cancelRoute {
            listing = .listed
            worker.keys.enter(key, cancelRoute)
        } else if !conversation.state.tracker.owed.isStartingUp {
            listing = .none
        }
    }

    private func follow(_ step: Conversation.Step) {
        noteBusy(step.isBusy)
        if readAhead.isOn { chargeReadAhead(step.growth) }
        updateInterests(step.flow)
    }

    private func releaseTerminate() {
        guard let server else { return }
        conversation.releaseTerminate(to: server)
        updateInterests(conversation.flow)
    }

    /// Asked every `lookPause`.
    func isTerminateOverdue() -> Bool {
        guard case .relaying = stage else { return false }
        return conversation.isTerminateOverdue()
    }

    /// Sends the client's start-up packet, the first bytes for a new server.
    func open(_ server: any StreamSocket, with packet: [UInt8]) {
        updateInterests(conversation.open(with: packet, to: server, worker.counters.client))
    }

    private func flush(to side: Side) {
        switch side {
        case .client:
            if let error = conversation.toClient.flush(to: client) { return clientDropped(DropKind(error)) }
            updateInterests(conversation.flow)
        case .server: flushToServer()
        }
    }

    private func flushToServer() {
        guard let server else { return }
        do throws(MalformedMessage) {
            let step = try conversation.serverHasRoom(server, worker.counters.client)
            restartWait()
            follow(step)
        } catch {
            breakOff(.client, error)
        }
    }

    /// A side is read while what it said before has gone on to the other side, and the client while the record of what
    /// it is owed has room; or while it is read ahead. When it is not read, it is watched for its end, unless what it
    /// sent before is to run whatever becomes of it.
    func updateInterests(_ flow: Conversation.Flow) {
        followWait(flow.clientHasToWait)
        var flow = flow
        flow.isReadAhead = readAhead.isOn
        guard flow != self.flow, !hasClientLeft else { return }
        self.flow = flow
        let clientMustWait = flow.clientHasToWait && !flow.isReadAhead
        let reading = clientMustWait ? whileWaiting : .read
        client.interest = reading.union(flow.toClientIsStalled ? .write : [])
        server?.interest = (flow.toClientIsStalled ? [] : Interest.read).union(flow.toServerWantsRoom ? .write : [])
    }

    private var whileWaiting: Interest { conversation.state.canBeReaped ? .close : [] }

    /// The server ended the session; what it said last goes to the client first.
    func serverClosed() { serverIsGone(.serverClosed) }

    /// What runs there without anybody to see its answer is cancelled, and the client told.
    private func serverIsGone(_ reason: EndReason) {
        switch conversation.state.serverClosed(at: .zero) {
        case .none, .reap: break
        case .end(let other): beginClosing(reason == .serverClosed ? other : reason)
        case .lose(let loss):
            worker.counters.drops[.serverLost].add()
            cancelUnseen(since: worker.now, loss.after(worker.configuration.cancel.grace))
            tellClient(FatalError(.connectionFailure, "server closed the connection unexpectedly"))
            beginClosing(reason)
        }
    }

    /// A message can't be right: from here on nobody knows where the next one begins.
    private func breakOff(_ side: Side, _ error: MalformedMessage) {
        worker.counters.protocolErrors[side].add()
        var metadata = logMetadata
        metadata["from"] = "\(side)"
        metadata["length"] = "\(error.length)"
        worker.logThrottled(.warning, "invalid message length", metadata)
        let message = "invalid message length \(error.length) from the \(side)"
        tellClient(FatalError(.protocolViolation, message))
        side == .client ? clientDropped(.protocolError) : serverIsGone(.protocolError)
    }

    /// Says something of our own to the client, where a message of the server's isn't under way.
    func tellClient(_ error: FatalError) {
        guard conversation.toClient.isAtBoundary else { return }
        _ = conversation.toClient.deliver(error.bytes.span, to: client)
    }
}
