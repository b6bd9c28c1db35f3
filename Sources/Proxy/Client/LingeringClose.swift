// The last stage of a client that is still there: it gets what is left for it, and time to read it. A socket that is
// closed over unread bytes is reset, and a reset can take the last message from under the client's eyes.

import CancelPolicy
import PostgresProtocol
import Reactor
import Telemetry

/// A client without a server, which is told why and then closed.
final class LingeringClose: Stage {
    /// How long a client may take nothing of what is left for it.
    private static let stalledTimeout = Duration.seconds(10)
    /// How long a client may take to close once everything is sent.
    private static let lingerTimeout = Duration.seconds(1)

    private let client: any StreamSocket
    private let reason: EndReason
    private var buffer: SendBuffer
    private var timer = StageTimer()
    private let lastBackend: Backend

    /// - Parameter buffer: what is left for the client.
    init(after previous: Stage, _ client: any StreamSocket, _ buffer: SendBuffer, _ reason: EndReason) {
        (self.client, self.buffer, self.reason, lastBackend) = (client, buffer, reason, previous.backend)
        super.init(after: previous)
        client.owner = self
        noteBusy(false)
    }

    /// Sends what is left; the stage may be over after this.
    func begin() { socket(client, became: .writable) }

    /// Sends what is left, then throws away what still comes until the client closes.
    override func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        if readiness.contains(.writable) {
            if buffer.flush(to: client) != nil { return end(reason) }
            if buffer.isStalled {
                client.interest = [.close, .write]
                timer.set(worker.loop, after: Self.stalledTimeout) { [unowned self] in end(reason) }
            } else {
                client.shutdownSending()
                client.interest = .read
                timer.set(worker.loop, after: Self.lingerTimeout) { [unowned self] in end(reason) }
            }
        }
        if readiness.contains(.closed) { return end(reason) }
        guard readiness.contains(.readable) else { return }
        switch client.receive(into: worker.receiveBuffer) {
        case .bytes, .wouldBlock: break
        case .endOfStream, .failed: end(reason)
        }
    }

    override func stopWaiting() { timer.cancel() }

    override func close() { client.close() }

    override var backend: Backend { lastBackend }

    override var name: String { "closing" }

    override var encryption: SessionSnapshot.Encryption { .init(ofClient: client, ofServer: nil) }
}

extension Stage {
    /// Tells `client` why it can't be served, and closes it.
    ///
    /// - Parameter buffer: what it gets before that.
    final func refuse(
        _ client: any StreamSocket, _ error: FatalError, _ reason: EndReason, after buffer: SendBuffer = SendBuffer()
    ) {
        var buffer = buffer
        _ = buffer.send(error.bytes.span, to: client)
        LingeringClose(after: self, client, buffer, reason).begin()
    }
}
