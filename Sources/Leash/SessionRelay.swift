// The stage a session spends its life in: what one side sends is followed and goes to the other.

import PostgresWire
import Reactor

extension Session {
    /// A socket of a relaying session became ready: at most one receive for each side.
    func relay(_ side: Side, _ readiness: Readiness) {
        if readiness.contains(.writable) { flush(to: side) }
        guard case .relaying = stage else { return }
        if readiness.contains(.readable) {
            side == .client ? relayFromClient() : relayFromServer()
        } else if readiness.contains(.closed) {
            // Only the client is watched for its end alone, while it has to wait.
            clientDropped(DropKind(client.takeError()))
        }
    }

    private func relayFromClient() {
        let buffer = worker.loop.receiveBuffer
        switch client.receive(into: buffer) {
        case .wouldBlock: break
        case .endOfStream: clientDropped(.fin)
        case .failed(let error): clientDropped(DropKind(error))
        case .bytes(let count): buffer.withReceived(count) { passOnToServer($0) }
        }
    }

    private func passOnToServer(_ bytes: Span<UInt8>) {
        let recorded = state.owed.byteCount
        do throws(MalformedMessage) {
            // The state comes first: the answer may be there before `send` returns.
            try toServer.follow(bytes) { kind, _ in state.clientSent(kind) }
        } catch {
            return breakOff(.client, error)
        }
        noteBusy(state.isBusy)
        if readAhead.isOn {
            chargeReadAhead((toServer.isStalled ? bytes.count : 0) + max(0, state.owed.byteCount - recorded))
        }
        deliverToServer(bytes)
    }

    private func relayFromServer() {
        guard let server else { return }
        let buffer = worker.loop.receiveBuffer
        switch server.receive(into: buffer) {
        case .wouldBlock: break
        case .endOfStream, .failed: serverClosed()
        case .bytes(let count): buffer.withReceived(count) { passOnToClient($0) }
        }
    }

    private func passOnToClient(_ bytes: Span<UInt8>) {
        do throws(MalformedMessage) {
            // Here too: the client may act on a ReadyForQuery before `send` returns.
            try toClient.follow(bytes) { kind, body in state.serverAnswered(kind, body) }
        } catch {
            return breakOff(.server, error)
        }
        if listedKey == nil, worker.listsKeys { listKey() }
        noteBusy(state.isBusy)
        if case .failed(let error) = toClient.deliver(bytes, to: client) {
            return clientDropped(DropKind(error))
        }
        updateInterests()
    }

    private func listKey() {
        guard let key = state.cancelKey, let address = server?.peerAddress else { return }
        listedKey = key
        worker.keys.enter(key, address)
    }

    /// Sends bytes of the client's to the server. If it takes no more, the client's further bytes go nowhere, and
    /// what the server said before it left still goes to the client.
    func deliverToServer(_ bytes: Span<UInt8>) {
        guard let server else { return }
        if toServer.isStalled {
            toServer.keep(bytes)
        } else if !serverTakesNothing, case .failed = toServer.deliver(bytes, to: server) {
            serverTakesNothing = true
        }
        updateInterests()
    }

    private func flush(to side: Side) {
        switch side {
        case .client:
            if case .failed(let error) = toClient.flush(to: client) { return clientDropped(DropKind(error)) }
        case .server:
            guard let server else { return }
            if case .failed = toServer.flush(to: server) {
                serverTakesNothing = true
                toServer.discard()
            }
            restartWait()
        }
        updateInterests()
    }

    /// A side is read while what it said before has gone on to the other side, and the client while the record of what
    /// it is owed has room; or while it is read ahead. When it is not read, it is watched for its end, unless what it
    /// sent before is to run whatever becomes of it.
    func updateInterests() {
        followWait()
        let clientMustWait = clientHasToWait && !readAhead.isOn
        let whileWaiting: Interest = state.canBeReaped ? .close : []
        client.interest = (clientMustWait ? whileWaiting : .read).union(toClient.isStalled ? .write : [])
        server?.interest = (toClient.isStalled ? [] : Interest.read).union(toServer.isStalled ? .write : [])
    }

    /// The server ended the session; what it said last goes to the client first.
    func serverClosed() {
        if case .end(let reason) = state.serverClosed() { beginClosing(reason) }
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
        side == .client ? clientDropped(.protocolError) : beginClosing(.protocolError)
    }

    /// Says something of our own to the client, where a message of the server's isn't under way.
    func tellClient(_ error: FatalError) {
        guard toClient.isAtBoundary else { return }
        _ = toClient.deliver(error.bytes.span, to: client)
    }
}
