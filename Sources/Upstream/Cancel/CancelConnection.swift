// One CancelRequest on its way: connect, send unless it was withdrawn meanwhile, wait until the server closes.

import Reactor

/// Why a CancelRequest was not sent.
struct CancelFailure: CustomStringConvertible {
    static let queueFull = CancelFailure("cancel queue full")
    static let timedOut = CancelFailure("timed out")
    static let brokenConnection = CancelFailure("connection lost")

    let description: String
    /// There was a connection, but it could not be encrypted as it has to be, so the request was kept back.
    var isInsecure = false

    init(_ description: String) {
        self.description = description
    }

    init(_ error: ConnectError) {
        self.init("\(error)")
        isInsecure = error.isInsecure
    }
}

/// A connection that carries a CancelRequest and nothing else. Releasing it closes it.
final class CancelConnection: SocketOwner {
    enum Progress {
        /// The request was written.
        case sent
        /// The server closed behind it, or never will; the last call.
        case concluded
        /// It was not written; the last call.
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
    ///   - order: what is to be sent, and where to.
    ///   - timeout: for all of it.
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
        // Who withdrew the order has told the dispatcher, which releases this connection.
        guard order.beginWriting() else { return }
        socket.owner = self
        let packet = order.key.cancelRequest
        // The first bytes on a new connection: they fit, or the connection is of no use.
        guard socket.send(packet) == .bytes(packet.count) else {
            // Not at once: who starts a row of connections would be called back from within, deeper and deeper.
            timer = loop.schedule(after: .zero) { [unowned self] in conclude(orElse: .brokenConnection) }
            return
        }
        isSent = true
        socket.interest = .read
        report(.sent)
    }

    /// The server answers nothing and closes once the signal is on its way.
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
