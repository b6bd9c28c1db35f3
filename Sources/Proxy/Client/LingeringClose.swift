// The last stage of a client that is still connected: it gets the remaining bytes, and time to read them. A socket that
// is closed with unread bytes is reset, and a reset can discard the last message before the client reads it.

import CancelPolicy
import PostgresProtocol
import Reactor
import Telemetry

/// A client without a server, which gets the reason and is then closed.
final class LingeringClose: Stage {
    /// The longest time in which a client may take none of the remaining bytes.
    private static let stalledTimeout = Duration.seconds(10)
    /// The time for a client to close after all bytes are sent.
    private static let lingerTimeout = Duration.seconds(1)

    private let client: any StreamSocket
    private let reason: EndReason
    private var buffer: SendBuffer
    private var timer = StageTimer()
    private let lastBackend: Backend

    /// - Parameter buffer: the remaining bytes for the client.
    init(after previous: Stage, _ client: any StreamSocket, _ buffer: SendBuffer, _ reason: EndReason) {
        (self.client, self.buffer, self.reason, lastBackend) = (client, buffer, reason, previous.backend)
        super.init(after: previous)
        client.owner = self
        noteBusy(false)
    }

    /// Sends the remaining bytes; the stage may be over after this.
    func begin() { socket(client, became: .writable) }

    /// Sends the remaining bytes, then discards the bytes of the client until it closes.
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
    /// Sends `client` the reason why it is refused, and closes it.
    ///
    /// - Parameter buffer: bytes that it gets before that.
    final func refuse(
        _ client: any StreamSocket, _ error: FatalError, _ reason: EndReason, after buffer: SendBuffer = SendBuffer()
    ) {
        var buffer = buffer
        _ = buffer.send(error.bytes.span, to: client)
        LingeringClose(after: self, client, buffer, reason).begin()
    }
}
