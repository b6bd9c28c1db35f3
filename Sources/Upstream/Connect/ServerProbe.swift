// A check whether a server accepts connections, without a login: by an SSLRequest, which a server answers before it
// authenticates a client, and does not log.

import PostgresProtocol
import Reactor

/// The result of a probe.
package struct ProbeResult: Sendable, CustomStringConvertible {
    package let isAccepting: Bool
    /// The reason why there was no answer.
    private let reason: String

    static let accepting = ProbeResult(isAccepting: true, reason: "")

    package static func noResponse(_ reason: String) -> ProbeResult { ProbeResult(isAccepting: false, reason: reason) }

    /// The result in pg_isready's words.
    package var description: String { isAccepting ? "accepting connections" : "no response: \(reason)" }
}

/// One probe of one server. Releasing the object ends the probe without a call.
final class ServerProbe {
    /// The timeout for each address, and for the answer.
    private let loop: any EventLoop
    private let security: ServerSecurity
    private let completion: (ProbeResult) -> Void
    private let timeout: Duration
    private let isOwnListener: Bool
    private var connector: ServerConnector?
    private var handshake: ServerHandshake?
    private var timer: (any ScheduledTimer)?

    /// - Parameters:
    ///   - addresses: at least one; the first that accepts a connection is probed.
    ///   - timeout: for each address, and for the answer.
    ///   - isOwnListener: the server is a pgleash, whose answer to the SSLRequest is enough.
    ///   - completion: called once.
    init(
        loop: any EventLoop,
        addresses: [HostAddress],
        security: ServerSecurity,
        timeout: Duration,
        isOwnListener: Bool,
        _ completion: @escaping (ProbeResult) -> Void
    ) {
        (self.loop, self.security, self.completion) = (loop, security, completion)
        (self.timeout, self.isOwnListener) = (timeout, isOwnListener)
        connector = ServerConnector(
            loop: loop, addresses: addresses, security: .none, timeout: timeout
        ) { [unowned self] in connected($0) }
    }

    func start() {
        connector?.start()
    }

    private func connected(_ result: Result<any StreamSocket, ConnectError>) {
        switch result {
        case .failure(let error): completion(.noResponse("\(error)"))
        case .success(let socket):
            let handshake = ServerHandshake(
                loop: loop, socket: socket, host: connector?.address?.host ?? "", security: security,
                endsAtAnswer: isOwnListener
            ) { [unowned self] in conclude($0) }
            self.handshake = handshake
            timer = loop.schedule(after: timeout) { [unowned self] in
                completion(.noResponse("\(SystemError.timedOut)"))
            }
            handshake.start()
        }
    }

    /// The handshake continues with TLS where the server offers it: the server would log an aborted one.
    private func conclude(_ outcome: ServerHandshake.Outcome) {
        timer?.cancel()
        let hasAnswered = handshake?.hasAnswered == true
        switch outcome {
        case .encrypted(let socket):
            socket.close()
            completion(.accepting)
        case .refused(let socket):
            let isEnough = !security.isTLSRequired || socket.peerAddress?.isUnix == true
            socket.close()
            completion(isEnough ? .accepting : .noResponse("server does not support SSL, but SSL was required"))
        // Without required TLS a session would continue unencrypted.
        case .failed(let reason):
            let isEnough = hasAnswered && !security.isTLSRequired && !isOwnListener
            completion(isEnough ? .accepting : .noResponse(reason))
        }
    }
}

extension Endpoint {
    /// Probes the first of the endpoint's addresses that accepts a connection. Blocks while the name is resolved, and
    /// then for no longer than `limit`.
    ///
    /// - Parameters:
    ///   - security: the encryption of sessions. Where they are not encrypted, nothing is verified.
    ///   - isOwnListener: the endpoint is a pgleash's; `security` does not matter then.
    package func probe(
        _ security: ServerSecurity = .none, within limit: Duration = .seconds(6), isOwnListener: Bool = false
    ) -> ProbeResult {
        let addresses: [HostAddress]
        do throws(ResolutionError) { addresses = try resolveWithHost() } catch { return .noResponse("\(error)") }
        guard !addresses.isEmpty else { return .noResponse("no address") }
        let loop = LibeventLoop(receiveBufferSize: 4096)
        var result = ProbeResult.noResponse("not attempted")
        let probe = ServerProbe(
            loop: loop, addresses: addresses, security: security.orOpportunistic,
            timeout: limit / (addresses.count + 1), isOwnListener: isOwnListener
        ) {
            result = $0
            loop.stop()
        }
        probe.start()
        withExtendedLifetime(probe) { loop.run() }
        return result
    }
}
