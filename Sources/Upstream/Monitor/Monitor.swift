// The monitor of one address of the server: its connection is made, kept, and made again after a loss, and is used for
// one statement at a time.

import LibPQ
import Logging
import Reactor
import Settings
import Telemetry

/// Carries out orders at one address, on its loop's thread.
package final class Monitor {
    private enum State {
        /// Not connected, or without the necessary rights.
        case down
        case loggingIn
        case idle
        case signalling(MonitorBatch)
        /// The statement takes too long, and may still signal backends. Its orders were given back, except those that
        /// have no other way.
        case slow(MonitorBatch)
    }

    /// The time for a statement, and for each order in it: on a busy server, 500 signals take 57 ms.
    static let statementTime = Duration.milliseconds(50)
    static let orderTime = Duration.microseconds(500)
    /// After this time without a result the connection counts as lost; also the time for a login.
    static let hangTime = Duration.seconds(10)
    /// A connection that was used for so long begins with the shortest pause when it is lost.
    static let steadyTime = Duration.seconds(60)
    /// A longer statement would keep those that come after it waiting.
    static let mostOrders = 1000

    private let address: HostAddress
    private let loop: any EventLoop
    private let exclusion: Exclusion
    private let connect: MonitorConnect
    private let becameReady: (Bool) -> Void
    private let log: MonitorLog
    private let conclude: (CancelOrder, MonitorVerdict) -> Void
    private var session: MonitorSession?
    private var state = State.down { didSet { becameReady(isReady) } }
    private var role: MonitorRole?
    private var readySince: MonotonicTime?
    private var waiting: [CancelOrder] = []
    private var timer: (any ScheduledTimer)?
    private var backoff = MonitorBackoff()

    /// - Parameters:
    ///   - exclusion: for sessions that pgleash can't read.
    ///   - becameReady: called when orders can be carried out, and when they can't any more.
    ///   - conclude: called with the result of each order, unless it was withdrawn.
    package init(
        _ address: HostAddress, loop: any EventLoop, log: Logger, excluding exclusion: Exclusion = .init(),
        connect: @escaping MonitorConnect, becameReady: @escaping (Bool) -> Void,
        conclude: @escaping (CancelOrder, MonitorVerdict) -> Void
    ) {
        (self.address, self.loop, self.exclusion, self.connect) = (address, loop, exclusion, connect)
        (self.becameReady, self.conclude) = (becameReady, conclude)
        self.log = MonitorLog(log, address.address)
    }

    /// Connects.
    package func start() {
        state = .loggingIn
        let session = MonitorSession(to: address, excluding: exclusion, connect) { [unowned self] in received($0) }
        self.session = session
        loseAfterHang()
        session.start()
    }

    /// Carries out an order at once, or after the statement that runs, or gives it back.
    package func take(_ order: CancelOrder) {
        guard isReady, order.backend.map(canIdentify) == true else { return conclude(order, .notSignalled) }
        waiting.append(order)
        if case .idle = state { signalWaiting() }
    }

    /// Without a process ID only the address and the port are left, and a system that translates addresses can give
    /// them to the connection of another host. A pooler can invent process IDs that no server has.
    private func canIdentify(_ backend: BackendIdentity) -> Bool {
        guard let processID = backend.processID else { return role?.isAddressTranslated == false }
        return processID <= Int32.max
    }

    private var isReady: Bool {
        switch state {
        case .idle, .signalling: true
        case .down, .loggingIn, .slow: false
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
    private func received(_ event: MonitorSession.Event) {
        switch event {
        case .ready(let role):
            timer?.cancel()
            (self.role, readySince) = (role, loop.now)
            state = .idle
            log.connected(role)
        case .unsuitable(let reason):
            // This may change, as rights may be granted.
            log.failed("monitor can't be used", reason)
            retry()
        case .signalled(let rows): signalled(rows)
        case .lost(let reason, let isRefusal):
            if isRefusal { backoff.wasRefused() }
            lose(reason)
        }
    }

    private func signalled(_ rows: [[String?]]) {
        timer?.cancel()
        let state = state
        self.state = .idle
        switch state {
        case .signalling(let batch):
            for (order, verdict) in zip(batch.orders, batch.verdicts(rows)) { conclude(order, verdict) }
        case .slow(let batch):
            for (order, verdict) in zip(batch.orders, batch.verdicts(rows)) {
                if !order.hasOtherWay {
                    conclude(order, verdict)
                } else if verdict == .signalled {
                    conclude(order, .signalledLate)
                }
            }
        case .down, .loggingIn, .idle: break
        }
        signalWaiting()
    }

    private func lose(_ reason: String) {
        if let readySince, loop.now.since(readySince) >= Self.steadyTime {
            backoff = MonitorBackoff()
            log.forget()
        }
        log.failed("monitor connection failed", reason)
        retry()
    }

    private func retry() {
        // The session's own code may be running: it must outlive this call.
        let previous = session
        previous?.close()
        (session, readySince) = (nil, nil)
        giveBackAll()
        limit(backoff.next()) { [unowned self] in start() }
        withExtendedLifetime(previous) {}
    }

    /// Gives all orders back.
    private func giveBackAll() {
        switch state {
        case .signalling(let batch): giveBack(batch.orders, in: .down)
        case .slow(let batch): giveBack(batch.orders.filter { !$0.hasOtherWay }, in: .down)
        case .down, .loggingIn, .idle: giveBack([], in: .down)
        }
    }

    /// Gives these orders back, and all that wait. They then go as CancelRequests if they can.
    private func giveBack(_ orders: [CancelOrder], in state: State) {
        let orders = orders + waiting
        waiting = []
        self.state = state
        for order in orders { conclude(order, .notSignalled) }
    }
}

// MARK: - Signals

extension Monitor {
    private func signalWaiting() {
        // The reply may have arrived while an order waited.
        let orders = waiting.prefix(Self.mostOrders).filter { $0.beginSignalling() }
        waiting.removeFirst(min(waiting.count, Self.mostOrders))
        guard !orders.isEmpty else { return waiting.isEmpty ? () : signalWaiting() }
        let batch = MonitorBatch(Array(orders), excluding: exclusion, at: loop.now) { role?.address(of: $0) ?? "" }
        state = .signalling(batch)
        limit(Self.statementTime + Self.orderTime * orders.count) { [unowned self] in statementIsSlow() }
        session?.signal(batch)
    }

    private func statementIsSlow() {
        guard case .signalling(let batch) = state else { return }
        // What has no other way is kept: a backend that the statement still ends would look like one that exits itself.
        giveBack(batch.orders.filter(\.hasOtherWay), in: .slow(batch))
        loseAfterHang()
    }
}

/// The pauses between attempts to connect.
struct MonitorBackoff {
    private static let longest = Duration.seconds(60)
    private static let longestAfterRefusal = Duration.seconds(900)

    private var pause = Duration.milliseconds(250)
    private var pauseAfterRefusal = Duration.seconds(60)
    private var isRefused = false

    /// The server refused the login. It can lock a role out after some refused passwords, and an administrator reads
    /// about each.
    mutating func wasRefused() { isRefused = true }

    /// The next pause: a quarter of a second, then each time twice as long, up to a minute; after a refusal a minute,
    /// then up to 15 minutes.
    mutating func next() -> Duration {
        defer { isRefused = false }
        if isRefused {
            defer { pauseAfterRefusal = min(pauseAfterRefusal * 2, Self.longestAfterRefusal) }
            return pauseAfterRefusal
        }
        defer { pause = min(pause * 2, Self.longest) }
        return pause
    }
}
