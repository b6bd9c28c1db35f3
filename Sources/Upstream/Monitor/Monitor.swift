// The monitor's connection to one address of the server: made, kept, made again after a loss, and used for one
// statement at a time.

import LibPQ
import Logging
import Reactor
import Telemetry

/// A connection to a server in which the monitor's statements run. `PQConnection` is one; a simulation has its own.
package protocol MonitorConnection: AnyObject {
    var localAddress: SocketAddress? { get }
    func start()
    /// At most one statement runs at a time. Its end is reported as `rows` or `failed`.
    func run(_ statement: PQStatement, _ parameters: [String])
    func close()
}

extension PQConnection: MonitorConnection {}

/// Makes a connection to an address, which reports its events.
package typealias MonitorConnect = (HostAddress, @escaping (PQConnection.Event) -> Void) -> any MonitorConnection

/// The monitor at one address.
final class Monitor {
    private enum State {
        /// Not connected.
        case down
        case connecting
        /// It asks for its role and rights.
        case introducing
        /// It prepares its other statement, and tries it without an order.
        case rehearsing
        /// Without the necessary rights.
        case unsuitable
        case idle
        case signalling(MonitorBatch)
        /// The statement takes too long. Its orders were given back.
        case slow
    }

    /// The time for a statement, and for each order in it: on a busy server, 500 signals take 57 ms.
    static let statementTime = Duration.milliseconds(50)
    static let orderTime = Duration.microseconds(500)
    /// After this time without a result the connection counts as lost; also the time for a login.
    static let hangTime = Duration.seconds(10)
    /// A longer statement would keep those that come after it waiting.
    static let mostOrders = 1000

    private let address: HostAddress
    private let loop: any EventLoop
    private let connect: MonitorConnect
    private let readiness: MonitorReadiness
    private let log: Logger
    private let conclude: (CancelOrder, MonitorVerdict) -> Void
    private var connection: (any MonitorConnection)?
    private var state = State.down { didSet { readiness.set(isReady, at: address.address) } }
    private var role: MonitorRole?
    private var local: SocketAddress?
    private var waiting: [CancelOrder] = []
    private var timer: (any ScheduledTimer)?
    private var backoff = MonitorBackoff()
    /// The reason of the last failure that was logged since the monitor was connected; each is logged once.
    private var loggedReason: String?

    /// - Parameter conclude: called with the result of each order that `take` has taken, unless it was withdrawn.
    init(
        _ address: HostAddress, loop: any EventLoop, readiness: MonitorReadiness, log: Logger,
        connect: @escaping MonitorConnect, conclude: @escaping (CancelOrder, MonitorVerdict) -> Void
    ) {
        (self.address, self.loop, self.readiness, self.log) = (address, loop, readiness, log)
        (self.connect, self.conclude) = (connect, conclude)
    }

    deinit {
        connection?.close()
    }

    /// Connects.
    func start() {
        state = .connecting
        let connection = connect(address) { [unowned self] in received($0) }
        self.connection = connection
        loseAfterHang()
        connection.start()
    }

    /// Takes an order, where that can be carried out at once or after the statement that runs.
    func take(_ order: CancelOrder) -> Bool {
        guard isReady, let backend = order.backend, !backend.local.isUnix else { return false }
        waiting.append(order)
        if case .idle = state { signalWaiting() }
        return true
    }

    private var isReady: Bool {
        switch state {
        case .idle, .signalling: true
        case .down, .connecting, .introducing, .rehearsing, .unsuitable, .slow: false
        }
    }

    private func loseAfterHang() {
        limit(Self.hangTime) { [unowned self] in lose("timeout expired") }
    }

    private func limit(_ time: Duration, _ body: @escaping () -> Void) {
        timer?.cancel()
        timer = loop.schedule(after: time, body)
    }
}

// MARK: - The connection

extension Monitor {
    private func received(_ event: PQConnection.Event) {
        switch event {
        case .opened:
            state = .introducing
            connection?.run(.introduce, [])
        case .rows(let rows): completed(rows)
        case .failed(let reason): failed(reason)
        case .lost(let reason, let wasPasswordRefused):
            if wasPasswordRefused { backoff.passwordWasRefused() }
            lose(reason)
        }
    }

    private func completed(_ rows: [[String?]]) {
        if case .introducing = state { return introduced(rows) }
        timer?.cancel()
        switch state {
        case .rehearsing: becomeReady()
        case .signalling(let batch):
            state = .idle
            for (order, verdict) in zip(batch.orders, batch.verdicts(rows)) { conclude(order, verdict) }
            signalWaiting()
        case .slow:
            state = .idle
            signalWaiting()
        case .down, .connecting, .introducing, .unsuitable, .idle: break
        }
    }

    private func introduced(_ rows: [[String?]]) {
        local = connection?.localAddress
        role = MonitorRole(rows)
        guard let role else { return object("unexpected answer") }
        if let objection = role.objection(local: local) { return object(objection) }
        state = .rehearsing
        connection?.run(.signal, MonitorBatch([]) { _ in "" }.parameters)
    }

    private func becomeReady() {
        backoff = MonitorBackoff()
        loggedReason = nil
        state = .idle
        log.info("monitor connected", metadata: ["server": "\(address.address)", "user": "\(role?.user ?? "")"])
    }

    /// The monitor is not suitable, which may change, as rights may be granted.
    private func object(_ reason: String) {
        logFailure("monitor can't be used", reason)
        retry(in: .unsuitable)
    }

    private func failed(_ reason: String) {
        switch state {
        case .introducing, .rehearsing: object(reason)
        // A statement that has always worked, such as one that the administrator cancelled. The orders go another way.
        case .down, .connecting, .unsuitable, .idle, .signalling, .slow: lose(reason)
        }
    }

    private func lose(_ reason: String) {
        logFailure("monitor connection failed", reason)
        retry(in: .down)
    }

    private func logFailure(_ message: Logger.Message, _ reason: String) {
        guard reason != loggedReason else { return }
        loggedReason = reason
        log.warning(message, metadata: ["server": "\(address.address)", "reason": "\(reason)"])
    }

    private func retry(in state: State) {
        // The connection's own code may be running: it must outlive this call.
        let previous = connection
        previous?.close()
        connection = nil
        giveBack(in: state)
        limit(backoff.next()) { [unowned self] in start() }
        withExtendedLifetime(previous) {}
    }

    /// Gives all orders back, which then go as CancelRequests.
    private func giveBack(in state: State) {
        var orders = waiting
        if case .signalling(let batch) = self.state { orders = batch.orders + orders }
        waiting = []
        self.state = state
        for order in orders { conclude(order, .notSignalled) }
    }
}

// MARK: - Signals

extension Monitor {
    private func signalWaiting() {
        var orders: [CancelOrder] = []
        var next = 0
        while next < waiting.count, orders.count < Self.mostOrders {
            // The reply may have arrived while the order waited.
            if waiting[next].beginSignalling() { orders.append(waiting[next]) }
            next += 1
        }
        waiting.removeFirst(next)
        guard !orders.isEmpty, let connection else { return }
        let batch = MonitorBatch(orders) { [role, local] in Self.seenAddress(of: $0, role, local) }
        state = .signalling(batch)
        limit(Self.statementTime + Self.orderTime * orders.count) { [unowned self] in statementIsSlow() }
        connection.run(.signal, batch.parameters)
    }

    /// A system in between may translate addresses, but not ports: then all of pgleash's connections from the address
    /// of the monitor's have the address that the server sees of that.
    private static func seenAddress(of backend: SocketAddress, _ role: MonitorRole?, _ local: SocketAddress?) -> String
    {
        guard let local, let seen = role?.seenHost, local.numericHost == backend.numericHost else {
            // The server's addresses have no scope.
            return String(backend.numericHost.prefix { $0 != "%" })
        }
        return seen
    }

    private func statementIsSlow() {
        giveBack(in: .slow)
        loseAfterHang()
    }
}

/// The pauses between attempts to connect.
struct MonitorBackoff {
    private var pause = Duration.milliseconds(250)
    private var longest = Duration.seconds(60)

    /// A server can lock a role out after some refused passwords, and an administrator reads about each.
    mutating func passwordWasRefused() {
        (pause, longest) = (max(pause, .seconds(60)), .seconds(900))
    }

    /// The next pause: a quarter of a second, then each time twice as long, up to a minute.
    mutating func next() -> Duration {
        defer { pause = min(pause * 2, longest) }
        return pause
    }
}
