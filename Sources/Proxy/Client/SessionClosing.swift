// The last stage of a session whose client is still there: it gets what is left for it, and time to read it. A socket
// closed over unread bytes is reset, and a reset can take the last message from under the client's eyes.

import CancelPolicy
import PostgresProtocol
import Reactor

extension Session {
    /// How long a client may take nothing of what is left for it.
    private static let stalledTimeout = Duration.seconds(10)
    /// How long a client may take to close once everything is sent.
    private static let lingerTimeout = Duration.seconds(1)

    /// Ends a session that can't be served, and tells the client why.
    func refuse(_ error: FatalError, _ reason: EndReason) {
        _ = conversation.toClient.deliver(error.bytes.span, to: client)
        beginClosing(reason)
    }

    /// Ends the server's side, if there is one, and the client's when it has had its time.
    func beginClosing(_ reason: EndReason) {
        stage = .closing(reason)
        server?.close()
        conversation.toServer.discard()
        endReadAhead()
        noteBusy(false)
        closeFurther(reason, .writable)
    }

    /// Sends what is left, then throws away what still comes until the client closes.
    func closeFurther(_ reason: EndReason, _ readiness: Readiness) {
        if readiness.contains(.writable) {
            if conversation.toClient.flush(to: client) != nil { return end(reason) }
            if conversation.toClient.isStalled {
                client.interest = [.close, .write]
                setTimer(after: Self.stalledTimeout) { $0.end(reason) }
            } else {
                client.shutdownSending()
                client.interest = .read
                setTimer(after: Self.lingerTimeout) { $0.end(reason) }
            }
        }
        if readiness.contains(.closed) { return end(reason) }
        guard readiness.contains(.readable) else { return }
        switch client.receive(into: worker.receiveBuffer) {
        case .bytes, .wouldBlock: break
        case .endOfStream, .failed: end(reason)
        }
    }
}

extension Session {
    /// pgleash stops: idle sessions end, running queries are cancelled without a grace, reaping goes on.
    func shutDown() {
        switch stage {
        case .startup, .connecting: refuse(FatalError(.cannotConnectNow, "pgleash is shutting down"), .shutdown)
        case .encrypting: end(.shutdown)
        case .relaying:
            tellClient(FatalError(.adminShutdown, "terminating connection due to administrator command"))
            clientDropped(.shutdown)
        case .reaping: cutGraceShort()
        case .findingCancelServer, .relayingCancel, .closing, .ended: break
        }
    }
}
