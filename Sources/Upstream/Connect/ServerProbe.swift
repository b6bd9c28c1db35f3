// Asks a PostgreSQL server whether it takes connections, as pg_isready does: opens a session, reads the first answer.

import PostgresProtocol
import Reactor

/// What a probe found out; the raw values are pg_isready's exit codes.
package enum ServerStatus: Int32, Sendable {
    case accepting = 0
    /// It is there, but starts up, stops or recovers.
    case rejecting = 1
    case noResponse = 2
    /// There was nothing to ask.
    case notAttempted = 3
}

extension ServerStatus: CustomStringConvertible {
    /// In pg_isready's words.
    package var description: String {
        switch self {
        case .accepting: "accepting connections"
        case .rejecting: "rejecting connections"
        case .noResponse: "no response"
        case .notAttempted: "no attempt"
        }
    }
}

/// What came of a probe.
package struct ProbeResult: CustomStringConvertible {
    package let status: ServerStatus
    /// Why there was no response from a server that was there: it could not be spoken to as it has to be.
    var reason: String?

    package var description: String { reason.map { "\(status): \($0)" } ?? "\(status)" }
}

/// One question to one server. Releasing it ends it without a call.
final class ServerProbe: SocketOwner {
    /// For each address, and for the answer.
    private static let timeout = Duration.seconds(3)

    /// No such user need exist: who is refused for that has been let in as far as matters.
    private static let question = StartupMessage.packet([
        ("user", "postgres"), ("database", "postgres"), ("application_name", "pgleash"),
    ])

    private let loop: any EventLoop
    private let completion: (ProbeResult) -> Void
    private var connector: ServerConnector?
    private var socket: (any StreamSocket)?
    private var timer: (any ScheduledTimer)?
    private var answer: [UInt8] = []

    /// - Parameters:
    ///   - addresses: at least one; the first that takes a connection is asked.
    ///   - completion: called once.
    init(
        loop: any EventLoop,
        addresses: [HostAddress],
        security: ServerSecurity,
        _ completion: @escaping (ProbeResult) -> Void
    ) {
        self.loop = loop
        self.completion = completion
        connector = ServerConnector(
            loop: loop, addresses: addresses, security: security, timeout: Self.timeout
        ) { [unowned self] in connected($0) }
    }

    deinit {
        socket?.close()
    }

    func start() {
        connector?.start()
    }

    private func connected(_ result: Result<any StreamSocket, ConnectError>) {
        let socket: any StreamSocket
        switch result {
        case .success(let connected): socket = connected
        case .failure(let error):
            return completion(ProbeResult(status: .noResponse, reason: error.isInsecure ? "\(error)" : nil))
        }
        self.socket = socket
        socket.owner = self
        // The first bytes on a new connection: they fit, or the connection is of no use, as its end will show.
        _ = socket.send(Self.question)
        socket.interest = .read
        timer = loop.schedule(after: Self.timeout) { [unowned self] in conclude(.noResponse) }
    }

    func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        switch socket.receive(into: loop.receiveBuffer) {
        case .wouldBlock: return
        case .endOfStream, .failed: return conclude(.noResponse, socket.encryptionFailure)
        case .bytes(let count): loop.receiveBuffer.withReceived(count) { answer += $0.copied() }
        }
        switch FirstAnswer(parsing: answer.span) {
        case .incomplete: break
        case .welcome: conclude(.accepting)
        case .refusal(sqlState: FirstAnswer.cannotConnectNow): conclude(.rejecting)
        // Without a code it is no server that could not let us in, but one that could not even say so.
        case .refusal(let sqlState): conclude(sqlState.isEmpty ? .noResponse : .accepting)
        case .unknown: conclude(.noResponse)
        }
    }

    private func conclude(_ status: ServerStatus, _ reason: String? = nil) {
        timer?.cancel()
        socket?.close()
        completion(ProbeResult(status: status, reason: reason))
    }
}

extension Endpoint {
    /// Probes the first of the endpoint's addresses that takes a connection. Blocks, for 3 seconds at most for each of
    /// them and for the answer, and while the name is resolved.
    package func probe(_ security: ServerSecurity) -> ProbeResult {
        guard let addresses = try? resolveWithHost(), !addresses.isEmpty else {
            return ProbeResult(status: .noResponse)
        }
        let loop = LibeventLoop(receiveBufferSize: 4096)
        var result = ProbeResult(status: .notAttempted)
        let probe = ServerProbe(loop: loop, addresses: addresses, security: security) {
            result = $0
            loop.stop()
        }
        probe.start()
        withExtendedLifetime(probe) { loop.run() }
        return result
    }
}
