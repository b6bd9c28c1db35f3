// The connection for one CancelRequest: connect, send unless the order was withdrawn meanwhile, wait for the server to
// close.

import Reactor

/// The reason why a CancelRequest was not sent.
struct CancelFailure: CustomStringConvertible {
    static let queueFull = CancelFailure("cancel queue full")
    static let timedOut = CancelFailure("timed out")
    static let brokenConnection = CancelFailure("connection lost")
    static let noMonitor = CancelFailure("no monitor is connected that could signal the backend")

    let description: String
    /// The connection could not be encrypted as required, so the request was not sent.
    var isInsecure = false

    init(_ description: String) {
        self.description = description
    }

    init(_ error: ConnectError) {
        self.init("\(error)")
        isInsecure = error.isInsecure
    }
}

/// A connection that carries a CancelRequest only. Releasing the object closes the connection.
final class CancelConnection: SocketOwner {
    enum Progress {
        /// The request was written.
        case sent
        /// The server closed the connection after it, or did not in time; the last call.
        case concluded
        /// The request was not written; the last call.
        case failed(CancelFailure)
    }

    private let loop: any EventLoop
    let order: CancelOrder
    private let report: (Progress) -> Void
    private var connector: ServerConnector?
    private var socket: (any StreamSocket)?
    private var timer: (any ScheduledTimer)?
    private(set) var isSent = false

    /// - Parameters:
    ///   - order: the request and its destination.
    ///   - timeout: for the whole exchange.
    ///   - report: called once or twice; never for the last time before `start` returns.
    init(
        loop: any EventLoop,
        order: CancelOrder,
        security: ServerSecurity,
        timeout: Duration,
        _ report: @escaping (Progress) -> Void
    ) {
        self.loop = loop
        self.order = order
        self.report = report
        connector = ServerConnector(
            loop: loop, addresses: [order.route.address], security: security, protection: order.route.protection,
            timeout: timeout
        ) { [unowned self] in connected($0) }
        timer = loop.schedule(after: timeout) { [unowned self] in conclude(orElse: .timedOut) }
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
        case .failure(let error): return conclude(orElse: CancelFailure(error))
        }
        self.socket = socket
        // The session that withdrew the order has told the dispatcher, which releases this connection.
        guard let packet = order.key?.cancelRequest, order.beginWriting() else { return }
        socket.owner = self
        // The first bytes on a new connection: they fit into the send buffer, or the connection is broken.
        guard socket.send(packet) == .bytes(packet.count) else {
            // Not called directly, as a caller that starts many connections would be called back recursively.
            timer = loop.schedule(after: .zero) { [unowned self] in conclude(orElse: .brokenConnection) }
            return
        }
        isSent = true
        socket.interest = .read
        report(.sent)
    }

    /// The server sends no reply and closes after it has sent the signal.
    func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        switch socket.receive(into: loop.receiveBuffer) {
        case .bytes, .wouldBlock: return
        case .endOfStream, .failed: conclude(orElse: .brokenConnection)
        }
    }

    private func conclude(orElse failure: CancelFailure) {
        timer?.cancel()
        connector?.stop()
        socket?.close()
        report(isSent ? .concluded : .failed(failure))
    }
}
