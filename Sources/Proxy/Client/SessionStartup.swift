// The first stage of a session: the client's first packet, and the connection to the server.

import CancelPolicy
import PostgresProtocol
import Reactor
import Upstream

extension Session {
    /// Reads on in the client's first packet.
    func readStartup() {
        guard !beginsWithTLS(), case .startup(var reader) = stage else { return }
        let progress = reader.read(from: client, into: worker.receiveBuffer)
        stage = .startup(reader)
        switch progress {
        case .incomplete: break
        case .endOfStream: end(.clientClosed)
        case .failed(let error): end(DropKind(error).idleEnd)
        case .malformed(let reason): refuseMalformed(reason)
        case .complete(let packet, let bytes): handle(packet, bytes)
        }
    }

    private func handle(_ packet: StartupPacket, _ bytes: [UInt8]) {
        worker.counters.client.bytes.add(Int64(bytes.count))
        worker.counters.client.messages.add()
        switch packet {
        case .sslRequest where !sslAnswered && client.encryptedPeerName == nil:
            sslAnswered = true
            answerEncryptionRequest()
        case .gssEncryptionRequest where !gssAnswered:
            gssAnswered = true
            refuseEncryption()
        case .sslRequest, .gssEncryptionRequest:
            // Once each, as PostgreSQL has it; a client that asks on and on gets nowhere.
            refuseMalformed(.unsupportedProtocol(major: 1234, minor: packet == .sslRequest ? 5679 : 5680))
        case .cancelRequest(let key): relayCancel(key)
        case .startup(let message):
            identity = message
            if isRefusedForPlainText() { return }
            guard worker.limit.enter() else { return refuseOneTooMany() }
            hasPlace = true
            conversation.state = SessionState(
                isReplication: message.isReplication,
                isExcluded: worker.configuration.cancel.exclusion.covers(message, in: bytes.span)
            )
            stage = .connecting(nil, startupPacket: bytes)
            findServer()
        }
    }

    func refuseEncryption() {
        stage = .startup(StartupReader())
        guard client.send(encryptionRefused) == .bytes(encryptionRefused.count) else { return end(.clientClosed) }
        // The next packet may be there already; the loop tells.
    }

    private func refuseOneTooMany() {
        let detail = "pgleash serves max_sessions = \(worker.configuration.listen.maxSessions) clients at a time."
        worker.logThrottled(.warning, "sorry, too many clients already", logMetadata)
        refuse(FatalError(.tooManyConnections, "sorry, too many clients already", detail: detail), .tooManyClients)
    }

    private func refuseMalformed(_ reason: StartupPacket.Malformed) {
        refuseMalformed("\(reason)", reason.sqlState)
    }

    func refuseMalformed(_ reason: String, _ sqlState: SQLState) {
        worker.counters.protocolErrors[.client].add()
        worker.logThrottled(.warning, "bad start-up packet", ["client": "\(clientAddress)", "reason": "\(reason)"])
        refuse(FatalError(sqlState, reason), .protocolError)
    }

    // MARK: To the server

    private func findServer() {
        timer?.cancel()
        timer = nil
        worker.findServer(for: self)
        switch stage {
        case .connecting, .findingCancelServer: client.interest = .close
        default: break
        }
    }

    /// The addresses the server's name stands for now.
    func serverResolved(_ answer: NameResolver.Answer) {
        if case .success(let addresses) = answer, let own = addresses.first(where: { worker.isOwn($0) }) {
            return avoidLoop(addresses, own.address)
        }
        switch (stage, answer) {
        case (.connecting, .failure(let error)): connectionFailed("\(error)")
        case (.findingCancelServer(let key), .failure(let error)): cancelNotSent(key, "\(error)")
        case (.connecting(_, let packet), .success(let addresses)):
            let connector = ServerConnector(
                loop: worker.loop,
                addresses: addresses,
                security: worker.serverSecurity,
                timeout: worker.configuration.server.connectTimeout
            ) { [unowned self] result in
                connected(result)
            }
            stage = .connecting(connector, startupPacket: packet)
            connector.start()
        case (.findingCancelServer(let key), .success(let addresses)):
            orderCancels(.stranger, key, addresses.map { CancelRoute(to: $0, .asConfigured) })
        default: break
        }
    }

    /// One of the addresses is pgleash's own. It has become so, by a change of a name or of the machine's addresses, or
    /// pgleash would not have started.
    private func avoidLoop(_ addresses: [HostAddress], _ own: SocketAddress) {
        let reason = "could not connect to server at \(own): pgleash itself listens there"
        let others = addresses.filter { !worker.isOwn($0) }
        if !others.isEmpty {
            worker.logThrottled(.warning, "\(reason)", logMetadata)
            return serverResolved(.success(others))
        }
        switch stage {
        case .connecting: connectionFailed(reason)
        case .findingCancelServer(let key): cancelNotSent(key, reason)
        default: break
        }
    }

    private func connected(_ result: Result<any StreamSocket, ConnectError>) {
        guard case .connecting(let connector, let packet) = stage else { return }
        switch result {
        case .failure(let error) where error.isOutOfDescriptors:
            worker.logThrottled(.error, "out of file descriptors", logMetadata)
            let detail = "pgleash is out of file descriptors."
            refuse(
                FatalError(.tooManyConnections, "sorry, too many clients already", detail: detail), .outOfDescriptors
            )
        case .failure(let error): connectionFailed("\(error)")
        case .success(let socket):
            if let reason = connector?.reasonForPlainText {
                // Under sslmode = prefer, and nobody would know.
                worker.logThrottled(.warning, "connection to server is not encrypted", ["reason": "\(reason)"])
            }
            server = socket
            socket.owner = self
            if let address = connector?.address {
                cancelRoute = worker.cancelRoute(to: address, socket.encryptedPeerName == nil ? .plain : .encrypted)
            }
            listing = .awaited
            channelBinding = ChannelBinding(client: client, server: socket)
            stage = .relaying
            noteBusy(true)
            open(socket, with: packet)
        }
    }

    func connectionFailed(_ reason: String) {
        worker.counters.connectFailures.add()
        worker.logThrottled(.error, "\(reason)", logMetadata)
        refuse(FatalError(.cannotConnectNow, reason), .serverUnreachable)
    }

    /// The client went away before it had a server.
    func clientLeftEarly() {
        switch stage {
        // A cancel is delivered even if its client doesn't wait to see it.
        case .relayingCancel: end(.cancelRelayed)
        case .findingCancelServer: client.interest = []
        default: end(DropKind(client.takeError()).idleEnd)
        }
    }
}

// MARK: - A client's own cancel

extension Session {
    /// To where the session it is meant for is connected, if that is one of ours; no name is needed for that. Otherwise
    /// nobody knows which of the server's addresses it is meant for.
    private func relayCancel(_ key: CancelKey) {
        if let route = worker.keys.route(of: key) {
            timer?.cancel()
            timer = nil
            client.interest = .close
            orderCancels(.client, key, [route])
        } else {
            stage = .findingCancelServer(key)
            findServer()
        }
    }

    private func orderCancels(_ purpose: CancelOrder.Purpose, _ key: CancelKey, _ routes: [CancelRoute]) {
        stage = .relayingCancel(underWay: routes.count, isSent: false)
        for route in routes { _ = worker.orderCancel(purpose, for: id, key, by: route) }
        let hasLeft = client.interest.isEmpty
        if hasLeft { end(.cancelRelayed) }
    }

    /// One of the cancels for this client is through.
    func clientCancelConcluded(_ result: Reaper.CancelResult) {
        guard case .relayingCancel(let underWay, var isSent) = stage else { return }
        if result == .sent { isSent = true }
        stage = .relayingCancel(underWay: underWay - 1, isSent: isSent)
        if underWay == 1 { end(isSent ? .cancelRelayed : .serverUnreachable) }
    }

    /// Otherwise nobody could tell why a query runs on whose end was asked for.
    private func cancelNotSent(_ key: CancelKey, _ reason: String) {
        worker.counters.clientCancelsFailed.add()
        worker.logThrottled(.warning, "cancel not sent", ["pid": "\(key.processID)", "reason": "\(reason)"])
        end(.serverUnreachable)
    }
}

extension DropKind {
    /// How a connection ended that the kernel holds this error for, or none.
    init(_ error: SystemError?) {
        self = error.map { $0.isTimeout ? .timeout : .reset } ?? .fin
    }
}
