// The encryption of a new connection to the server: SSLRequest, its one-byte answer, and TLS.

import PostgresProtocol
import Reactor
import TLS

/// One handshake on one connection. Releasing the object closes the connection, unless it was handed over.
final class ServerHandshake: SocketOwner {
    enum Outcome {
        case encrypted(any StreamSocket)
        /// The server does not support TLS. Its connection can be used unencrypted.
        case refused(any StreamSocket)
        case failed(String)
    }

    private let loop: any EventLoop
    private let host: String
    private let security: ServerSecurity
    private let completion: (Outcome) -> Void
    private var socket: (any StreamSocket)?
    private var timer: (any ScheduledTimer)?
    private let endsAtAnswer: Bool
    /// The server has answered the SSLRequest.
    private(set) var hasAnswered = false

    /// - Parameters:
    ///   - socket: a connected socket on which nothing was sent, which the handshake takes over.
    ///   - host: the host name of the server.
    ///   - endsAtAnswer: the answer to the SSLRequest is enough, whatever it is; the outcome is `refused` then.
    ///   - completion: called once. It can be called before `start` returns, but only with a success.
    init(
        loop: any EventLoop,
        socket: any StreamSocket,
        host: String,
        security: ServerSecurity,
        endsAtAnswer: Bool = false,
        _ completion: @escaping (Outcome) -> Void
    ) {
        self.endsAtAnswer = endsAtAnswer
        self.loop = loop
        self.socket = socket
        self.host = host
        self.security = security
        self.completion = completion
    }

    deinit {
        socket?.close()
    }

    func start() {
        guard let socket else { return }
        if security.negotiation == .direct, socket.peerAddress?.isUnix != true { return encrypt(socket) }
        socket.owner = self
        // The first bytes on a new connection: they fit into the send buffer, or the connection is broken and its end
        // follows.
        _ = socket.send(StartupPacket.sslRequestPacket)
        socket.interest = .read
    }

    /// Receives one byte only: bytes after it must be TLS, otherwise an attacker between pgleash and the server has
    /// inserted them (CVE-2021-23222).
    func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        switch socket.receive(into: loop.receiveBuffer, limit: 1) {
        case .wouldBlock: break
        case .endOfStream: fail("server closed the connection unexpectedly")
        case .failed(let error): fail("\(error)")
        case .bytes(let count):
            let answer = loop.receiveBuffer.withReceived(count) { $0[0] }
            socket.interest = []
            handle(answer, socket)
        }
    }

    private func handle(_ answer: UInt8, _ socket: any StreamSocket) {
        hasAnswered = answer == UInt8(ascii: "S") || answer == UInt8(ascii: "N")
        if endsAtAnswer, hasAnswered {
            // Other protocols begin with a greeting, such as SSH's, that may begin with the same letter.
            guard socket.peek() == nil else { return fail("received more than the answer to the SSLRequest") }
            self.socket = nil
            return completion(.refused(socket))
        }
        switch answer {
        case UInt8(ascii: "S"): encrypt(socket)
        case UInt8(ascii: "N"):
            self.socket = nil
            completion(.refused(socket))
        // The text of the error is not authenticated.
        case UInt8(ascii: "E"): fail("server sent an error response during SSL exchange")
        default: fail("received invalid response to SSL negotiation: 0x\(String(answer, radix: 16))")
        }
    }

    private func encrypt(_ socket: any StreamSocket) {
        do throws(TLSError) {
            let encrypted = try security.tlsClient().connect(over: socket, host: host, loop: loop)
            self.socket = encrypted
            encrypted.handshake { [unowned self] error in concluded(encrypted, error) }
        } catch {
            timer = loop.schedule(after: .zero) { [unowned self] in fail("SSL error: \(error)") }
        }
    }

    private func concluded(_ encrypted: TLSSocket, _ error: TLSError?) {
        if let error {
            let mayBeOld = security.negotiation == .direct && error == .peerClosed
            return fail("SSL error: \(error)\(mayBeOld ? " (direct negotiation needs PostgreSQL 17 or later)" : "")")
        }
        if security.negotiation == .direct, !encrypted.hasAgreedOnProtocol {
            return fail("direct SSL connection was established without ALPN protocol negotiation extension")
        }
        socket = nil
        completion(.encrypted(encrypted))
    }

    private func fail(_ reason: String) {
        socket?.close()
        completion(.failed(reason))
    }
}
