// A world under the tests' control: a clock that moves when told, sockets that are two byte queues, connections that
// are accepted, refused or left hanging.

import Reactor

/// An EventLoop without a system behind it. Timers fire in `advance`, sockets are told in `settle`.
final class SimulatedLoop: EventLoop {
    enum Network {
        case accepts, refuses, hangs
        /// The attempt itself fails, as to a Unix socket that isn't there.
        case impossible
    }

    private final class Timer: ScheduledTimer {
        let due: MonotonicTime
        var body: (() -> Void)?

        init(due: MonotonicTime, body: @escaping () -> Void) {
            self.due = due
            self.body = body
        }

        func cancel() { body = nil }
    }

    private struct WeakTimer { weak var timer: Timer? }

    private final class SimulatedWakeup: Wakeup, @unchecked Sendable {
        let body: () -> Void

        init(body: @escaping () -> Void) { self.body = body }

        func wake() { body() }
    }

    var now = MonotonicTime(nanoseconds: 1_000_000_000_000)
    let receiveBuffer: ReceiveBuffer
    var network = Network.accepts
    /// Per address, in place of `network`.
    var networks: [SocketAddress: Network] = [:]
    /// All connections ever made, oldest first.
    private(set) var connections: [SimulatedSocket] = []
    private(set) var adopted: [SimulatedSocket] = []
    private var timers: [WeakTimer] = []

    init(receiveBufferSize: Int = 4096) {
        receiveBuffer = ReceiveBuffer(size: receiveBufferSize)
    }

    func adopt(_ accepted: AcceptedSocket) -> any StreamSocket {
        let socket = SimulatedSocket(peer: accepted.peer)
        adopted.append(socket)
        return socket
    }

    func connect(to address: SocketAddress) throws(SystemError) -> any StreamSocket {
        let network = networks[address] ?? network
        if case .impossible = network { throw SystemError(2) }
        let socket = SimulatedSocket(peer: address)
        connections.append(socket)
        switch network {
        case .impossible: break
        case .accepts: socket.isConnected = true
        case .refuses:
            socket.isConnected = true
            socket.error = SystemError(111)
        case .hangs: socket.isConnected = false
        }
        return socket
    }

    func schedule(after delay: Duration, _ body: @escaping () -> Void) -> any ScheduledTimer {
        let timer = Timer(due: now.advanced(by: delay), body: body)
        timers.append(WeakTimer(timer: timer))
        return timer
    }

    func makeWakeup(_ body: @escaping () -> Void) throws(SystemError) -> any Wakeup {
        SimulatedWakeup(body: body)
    }

    /// Tells every socket what it has become until none has anything to tell; fails by returning false after too many
    /// rounds, as a busy loop would need.
    @discardableResult
    func settle() -> Bool {
        for _ in 0..<10_000 where !(adopted + connections).contains(where: { $0.tell() }) { return true }
        return false
    }

    /// Moves the clock and fires what falls due, in order.
    func advance(by duration: Duration) {
        let end = now.advanced(by: duration)
        timers.removeAll { $0.timer?.body == nil }
        while let next = timers.compactMap(\.timer).filter({ $0.body != nil && $0.due <= end })
            .min(by: { $0.due < $1.due })
        {
            now = max(now, next.due)
            let body = next.body
            next.body = nil
            body?()
            settle()
            if timers.count > 1000 { timers.removeAll { $0.timer?.body == nil } }
        }
        now = end
    }
}

/// A StreamSocket that is two byte queues.
final class SimulatedSocket: StreamSocket {
    weak var owner: (any SocketOwner)?
    var interest: Interest = []
    let peerAddress: SocketAddress?
    var isConnected = true
    var error: SystemError?

    /// What the peer has sent and we have not received.
    var inbox: [UInt8] = []
    /// The peer's stream ends behind `inbox`.
    var isEnded = false
    /// What we have sent.
    private(set) var outbox: [UInt8] = []
    /// How many more bytes a send takes.
    var room = Int.max
    /// What was sent goes without an answer.
    var isUnanswered = false
    private(set) var isShutDown = false
    private(set) var isClosed = false
    private var hasToldEnd = false

    init(peer: SocketAddress) {
        peerAddress = peer
    }

    /// Takes what was sent so far.
    func takeOutbox() -> [UInt8] {
        defer { outbox = [] }
        return outbox
    }

    func takeError() -> SystemError? {
        defer { error = nil }
        return error
    }

    func receive(into buffer: ReceiveBuffer, limit: Int) -> Received {
        precondition(!isClosed, "received from a closed socket")
        let count = min(limit, inbox.count)
        if count > 0 {
            let inbox = inbox
            buffer.fill { bytes in bytes.replaceSubrange(0..<count, with: inbox[..<count]) }
            self.inbox.removeFirst(count)
            return .bytes(count)
        }
        if let error = takeError() { return .failed(error) }
        return isEnded ? .endOfStream : .wouldBlock
    }

    func send(_ bytes: Span<UInt8>) -> Sent {
        precondition(!isClosed, "sent to a closed socket")
        if let error = takeError() { return .failed(error) }
        let count = min(room, bytes.count)
        for index in 0..<count { outbox.append(bytes[index]) }
        room -= count
        return .bytes(count)
    }

    func shutdownSending() { isShutDown = true }

    func close() { isClosed = true }

    /// Tells the owner what there is to tell; false when that is nothing.
    fileprivate func tell() -> Bool {
        guard !isClosed, isConnected, let owner else { return false }
        var readiness: Readiness = []
        let hasEnded = isEnded || error != nil
        if interest.contains(.read), !inbox.isEmpty || hasEnded { readiness.insert(.readable) }
        if interest.contains(.write), room > 0 || error != nil { readiness.insert(.writable) }
        if interest.contains(.close), !interest.contains(.read), hasEnded, !hasToldEnd {
            hasToldEnd = true
            readiness.insert(.closed)
        }
        guard !readiness.isEmpty else { return false }
        owner.socket(self, became: readiness)
        return true
    }
}
