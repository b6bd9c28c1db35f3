// The stage of a client whose TLS goes on to the server (`[listen] sslmode = passthrough`). Bytes are relayed unread.

import CancelPolicy
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// A client and its server, with TLS between them.
final class Tunnel: Stage, CheckedStage {
    /// The time for which the hosts are checked after bytes for the client: without further bytes, keepalive is enough.
    private static let attentionTime = Duration.seconds(60)

    private let client: any StreamSocket
    private let server: any StreamSocket
    private let route: CancelRoute?
    private let connectedAt: MonotonicTime
    /// The client's SSLRequest has no answer yet.
    private var isAnswerAwaited = false
    private var liveness = PeerLiveness()
    /// The client was sent bytes at this time.
    private var lastSentAt: MonotonicTime
    private var toServer = SendBuffer()
    private var toClient = SendBuffer()
    /// Present from the first wait on.
    private var readAhead: ReadAhead?

    init(after previous: Stage, _ client: any StreamSocket, _ server: any StreamSocket, _ route: CancelRoute?) {
        (self.client, self.server, self.route) = (client, server, route)
        connectedAt = previous.worker.loop.now
        lastSentAt = connectedAt
        super.init(after: previous)
        client.owner = self
        server.owner = self
    }

    /// - Parameter bytes: those that were read from the client: an SSLRequest, or none.
    func begin(with bytes: [UInt8]) {
        isAnswerAwaited = !bytes.isEmpty
        _ = toServer.send(bytes.span, to: server)
        updateInterests()
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
            return clientLeft(DropKind(client.takeError()))
        }
        if !isOver { updateInterests() }
    }

    private func flushToClient() {
        if let error = toClient.flush(to: client) { clientLeft(DropKind(error)) }
    }

    private func flushToServer() {
        // A broken connection is reported by the next receive.
        _ = toServer.flush(to: server)
        followWait()
    }

    private func relayFromClient() {
        let received = worker.receive(from: client) { bytes in
            worker.counters.client.bytes.add(Int64(bytes.count))
            let kept = toServer.count
            _ = toServer.send(bytes, to: server)
            if let readAhead, readAhead.isOn { readAhead.charge(toServer.count - kept) } else { followWait() }
        }
        switch received {
        case .wouldBlock, .bytes: break
        case .endOfStream: clientLeft(.fin)
        case .failed(let error): clientLeft(DropKind(error))
        }
    }

    private func relayFromServer() {
        if isAnswerAwaited, let answer = server.peek() {
            isAnswerAwaited = false
            if answer == encryptionRefused[0] { return refuseEncryption() }
        }
        lastSentAt = worker.now
        var failure: SystemError?
        let received = worker.receive(from: server) { bytes in
            worker.counters.server.bytes.add(Int64(bytes.count))
            if case .failed(let error) = toClient.send(bytes, to: client) { failure = error }
        }
        switch received {
        case .wouldBlock, .bytes: if let failure { clientLeft(DropKind(failure)) }
        case .endOfStream, .failed: serverIsGone()
        }
    }

    private func serverIsGone() {
        server.close()
        LingeringClose(after: self, client, toClient, .serverClosed).begin()
    }

    /// The server has no TLS. A client that goes on without is served like any other.
    private func refuseEncryption() {
        server.close()
        ClientHandshake(after: self, client).begin()
    }

    /// The client's bytes must wait or need no longer wait, or some of them were sent.
    private func followWait() {
        guard toServer.isStalled else {
            readAhead?.end()
            return
        }
        if readAhead == nil {
            readAhead = ReadAhead(worker.environment.readAheadQuota, worker.loop) { [unowned self] in
                updateInterests()
            }
        }
        readAhead?.wait()
    }

    /// A side is read while its earlier bytes have been passed on, or while the client is read ahead. Otherwise the
    /// client is watched for its end.
    private func updateInterests() {
        let isRead = !toServer.isStalled || readAhead?.isOn == true
        client.interest = (isRead ? Interest.read : .close).union(toClient.isStalled ? .write : [])
        server.interest = (toClient.isStalled ? [] : Interest.read).union(toServer.isStalled ? .write : [])
    }

    func clientLeft(_ kind: DropKind) {
        client.close()
        TunnelOrphan(after: self, server, route, kind, connectedAt: connectedAt).begin()
    }

    /// The kernel detects a lost host late while it has bytes for it.
    func lostSide(at now: MonotonicTime) -> Side? {
        if toServer.isStalled || toClient.isStalled || now.since(lastSentAt) < Self.attentionTime {
            return liveness.lostSide(client, server, worker.environment, at: now)
        }
        liveness.end(client, server)
        return nil
    }

    func peerLost(_ side: Side) {
        if side == .client { return clientLeft(.timeout) }
        worker.logThrottled(.warning, "server host unreachable (keepalive timeout)", logMetadata)
        serverIsGone()
    }

    /// The client's end may be after bytes that pgleash has no space for.
    func isClientGoneUnseen() -> Bool {
        guard let readAhead, readAhead.isWaiting, !readAhead.isOn else { return false }
        return client.hasPeerEnded
    }

    override func shutDown() { clientLeft(.shutdown) }

    override func stopWaiting() {
        liveness.end(client, server)
        readAhead?.end()
        readAhead = nil
    }

    override func close() {
        server.close()
        client.close()
    }

    override var name: String { "passed through" }
    override var backend: Backend { Backend(address: route?.address.address) }
    override var encryption: SessionSnapshot.Encryption { .both }
    override var checked: (any CheckedStage)? { self }
}
