// An event loop without an operating system: the test moves its clock, and its connections are accepted, refused or
// left hanging as the test requires. SimulatedSocket transports the bytes.

import Reactor

/// The time of one simulated world; loops of several threads share it.
package final class SimulatedClock {
    package var now = MonotonicTime(nanoseconds: 1_000_000_000_000)

    package init() {}
}

/// An EventLoop whose callbacks run in `settle`, `iterate` and `advance`, and never within one another.
package final class SimulatedLoop: EventLoop {
    /// The result of a connection attempt.
    package enum Network {
        case accepts, refuses, hangs
        /// The attempt itself fails.
        case fails(SystemError)

        /// As for a Unix socket that does not exist.
        package static let impossible = Network.fails(SystemError(2))
    }

    private final class Entry {
        let due: MonotonicTime
        var body: (() -> Void)?

        init(due: MonotonicTime, body: @escaping () -> Void) {
            self.due = due
            self.body = body
        }
    }

    private final class Timer: ScheduledTimer {
        private let entry: Entry

        init(_ entry: Entry) { self.entry = entry }

        deinit { cancel() }

        func cancel() { entry.body = nil }
    }

    private final class SimulatedTicker: Ticker {
        private unowned let loop: SimulatedLoop
        private let body: () -> Void
        private var timer: (any ScheduledTimer)?

        init(_ loop: SimulatedLoop, _ body: @escaping () -> Void) { (self.loop, self.body) = (loop, body) }

        func start(every interval: Duration) {
            guard timer == nil else { return }
            timer = loop.schedule(after: interval) { [unowned self] in
                timer = nil
                start(every: interval)
                body()
            }
        }

        func stop() { timer = nil }
    }

    private final class SimulatedWakeup: Wakeup, @unchecked Sendable {
        var body: (() -> Void)?
        var isWoken = false

        init(body: @escaping () -> Void) { self.body = body }

        func wake() { isWoken = true }
    }

    package let receiveBuffer: ReceiveBuffer
    package let clock: SimulatedClock
    package var network = Network.accepts
    /// By address, in place of `network`.
    package var networks: [SocketAddress: Network] = [:]
    /// The address that a server reports as its own, where that is another one, as for a Unix socket.
    package var boundAddresses: [SocketAddress: SocketAddress] = [:]
    /// The result of each connection, in place of both.
    package var route: ((SimulatedSocket) -> Network)?
    /// An accepted connection is established as soon as it is made.
    package var connectsAtOnce = false
    /// All connections ever made, oldest first.
    package private(set) var connections: [SimulatedSocket] = []
    package private(set) var adopted: [SimulatedSocket] = []
    private var open: [SimulatedSocket] = []
    private var entries: [Entry] = []
    private var wakeups: [SimulatedWakeup] = []

    package init(receiveBufferSize: Int = 4096, clock: SimulatedClock = SimulatedClock()) {
        receiveBuffer = ReceiveBuffer(size: receiveBufferSize)
        self.clock = clock
    }

    package var now: MonotonicTime { clock.now }

    package func adopt(_ accepted: AcceptedSocket) -> any StreamSocket {
        let socket = SimulatedSocket(peer: accepted.peer)
        adopted.append(socket)
        open.append(socket)
        return socket
    }

    package func connect(to address: SocketAddress) throws(SystemError) -> any StreamSocket {
        let socket = SimulatedSocket(
            peer: boundAddresses[address] ?? address, dialled: address,
            localPort: 40_000 + UInt16(clamping: connections.count))
        switch route?(socket) ?? networks[address] ?? network {
        case .fails(let error): throw error
        case .accepts: socket.isConnected = connectsAtOnce
        case .refuses: socket.error = SystemError(111)
        case .hangs: socket.isAnswered = false
        }
        connections.append(socket)
        open.append(socket)
        return socket
    }

    package func schedule(after delay: Duration, _ body: @escaping () -> Void) -> any ScheduledTimer {
        if entries.count > 16 { entries.removeAll { $0.body == nil } }
        let entry = Entry(due: now.advanced(by: delay), body: body)
        entries.append(entry)
        return Timer(entry)
    }

    package func makeTicker(_ body: @escaping () -> Void) throws(SystemError) -> any Ticker {
        SimulatedTicker(self, body)
    }

    package func makeWakeup(_ body: @escaping () -> Void) throws(SystemError) -> any Wakeup {
        let wakeup = SimulatedWakeup(body: body)
        wakeups.append(wakeup)
        return wakeup
    }

    // MARK: - The interface for tests

    /// Sockets that have not been closed.
    package var openSockets: Int { open.reduce(0) { $0 + ($1.isClosed ? 0 : 1) } }

    /// The most sockets to one address that have not been closed.
    package var mostOpenSocketsToOneAddress: Int {
        var counts: [SocketAddress: Int] = [:]
        for socket in open where !socket.isClosed {
            if let address = socket.dialledAddress { counts[address, default: 0] += 1 }
        }
        return counts.values.max() ?? 0
    }

    /// Timers that were neither cancelled nor released, nor have fired.
    package var liveTimers: Int { entries.reduce(0) { $0 + ($1.body == nil ? 0 : 1) } }

    /// A socket or a wake-up has an event.
    package var isReady: Bool { wakeups.contains { $0.isWoken } || open.contains { $0.isReady } }

    /// The time of the next timer.
    package var nextDue: MonotonicTime? {
        var next: MonotonicTime?
        for entry in entries where entry.body != nil && next.map({ entry.due < $0 }) ?? true { next = entry.due }
        return next
    }

    /// One turn as in libevent: first the wake-ups and the sockets that are ready, then the timers that are due.
    ///
    /// - Parameter start: the socket that gets its event first.
    /// - Returns: whether there was any event.
    @discardableResult
    package func iterate(from start: Int = 0) -> Bool {
        let hasTold = tellReady(from: start)
        // The timers that are due now; timers that they schedule come in the next turn.
        let due = entries.filter { $0.body != nil && $0.due <= now }.sorted { $0.due < $1.due }
        due.forEach(fire)
        return hasTold || !due.isEmpty
    }

    /// Delivers all sockets' events until there are none; returns false after too many rounds, as in a busy loop.
    @discardableResult
    package func settle() -> Bool {
        for _ in 0..<10_000 where !tellReady(from: 0) { return true }
        return false
    }

    /// Moves the clock and fires the due timers, in order.
    package func advance(by duration: Duration) {
        let end = now.advanced(by: duration)
        settle()
        while let entry = nextEntry(until: end) {
            clock.now = max(now, entry.due)
            fire(entry)
            settle()
        }
        clock.now = end
    }

    /// Releases everything, so that mailboxes and their owners do not keep each other.
    package func tearDown() {
        wakeups.forEach { $0.body = nil }
        (wakeups, entries, open, route) = ([], [], [], nil)
    }

    private func tellReady(from start: Int) -> Bool {
        var hasTold = false
        for wakeup in wakeups where wakeup.isWoken {
            wakeup.isWoken = false
            hasTold = true
            wakeup.body?()
        }
        open.removeAll { $0.isClosed }
        let ready = open.filter { $0.isReady }
        for index in ready.indices where ready[(index + start) % ready.count].tell() { hasTold = true }
        return hasTold
    }

    private func nextEntry(until end: MonotonicTime) -> Entry? {
        var next: Entry?
        for entry in entries where entry.body != nil && entry.due <= end {
            if next.map({ entry.due < $0.due }) ?? true { next = entry }
        }
        return next
    }

    private func fire(_ entry: Entry) {
        let body = entry.body
        entry.body = nil
        body?()
    }
}
