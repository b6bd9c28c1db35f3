// A socket that consists of two byte queues: the product has one end, the test the other.

import Reactor

/// The test's end of a simulated socket, which gets events.
package protocol SocketPeer: AnyObject {
    /// Bytes were taken or sent, the stream was shut down, or the socket was closed.
    func socketChanged(_ socket: SimulatedSocket)
}

/// A StreamSocket without an operating system.
package final class SimulatedSocket: StreamSocket {
    package weak var owner: (any SocketOwner)?
    package weak var peer: (any SocketPeer)?
    package var interest: Interest = []
    package let peerAddress: SocketAddress?
    /// The address that it connected to; nil for an accepted one.
    package let dialledAddress: SocketAddress?
    /// The peer's host has responded; before this the socket is not connected.
    package var isAnswered = true
    /// The connection was established as soon as it was made.
    package var isConnected = false
    /// The error with which the connection broke, until it is taken; after that the socket is as after a reset: ended
    /// for receives, broken for sends.
    package var error: SystemError? {
        didSet { if oldValue != nil, error == nil { isBroken = true } }
    }
    private var isBroken = false

    /// Sent bytes get no response: the kernel has made one more attempt at each check.
    package var isUnanswered = false { didSet { unansweredCount = 0 } }
    private var unansweredCount = 0

    /// The bytes that the peer has sent and the product has not received.
    package var inbox: [UInt8] = []
    /// The peer's stream ends after `inbox`.
    package var isEnded = false
    /// That end is reported only when `inbox` is empty: it is in the peer's kernel, after bytes that have no space
    /// here.
    package var isEndHidden = false
    /// The peer's kernel can be queried, as on the same machine.
    package var isPeerKnown = true
    /// The number of such queries.
    package private(set) var questionCount = 0
    /// The bytes that the product has sent and the peer has not taken.
    package private(set) var outbox: [UInt8] = []
    package var outboxCount: Int { outbox.count }
    /// The number of bytes that sends still take.
    package var room = Int.max
    /// The number of bytes that the next receive or send takes of so many; all by default.
    package var portion: ((Int) -> Int)?
    /// Bytes received and sent so far.
    package private(set) var receivedCount = 0
    package private(set) var sentCount = 0
    package private(set) var isShutDown = false
    package private(set) var isClosed = false
    private var hasToldEnd = false

    package let localAddress: SocketAddress?

    /// - Parameter localPort: the product's own port, where it connected over TCP.
    init(peer: SocketAddress, dialled: SocketAddress? = nil, localPort: UInt16 = 0) {
        (peerAddress, dialledAddress) = (peer, dialled)
        localAddress = dialled?.isUnix == false ? .ipv4(0x7f00_0001, port: localPort) : nil
    }

    /// Takes what was sent so far.
    package func takeOutbox() -> [UInt8] {
        defer { outbox = [] }
        return outbox
    }

    /// Takes the first `count` bytes that were sent, and makes room for as many.
    package func takeOutbox(_ count: Int) -> ArraySlice<UInt8> {
        let taken = outbox[..<count]
        outbox.removeFirst(count)
        if room != Int.max { room += count }
        return taken
    }

    /// The peer gets no event except the end of the stream.
    package var hasEndedSending: Bool { isShutDown || isClosed }

    /// With one check per second, it is silent for as many seconds as there were checks.
    package var attempts: Attempts? {
        if isUnanswered { unansweredCount += 1 }
        return Attempts(kind: .retransmission, count: unansweredCount, silence: .seconds(unansweredCount))
    }

    /// The options that were set, in order.
    package private(set) var paces: [AttemptPace] = []

    package func setPace(_ pace: AttemptPace) -> Bool {
        paces.append(pace)
        return true
    }

    package var hasPeerEnded: Bool {
        questionCount += 1
        return isPeerKnown && isEnded
    }

    package func takeError() -> SystemError? {
        defer { error = nil }
        return error
    }

    package func receive(into buffer: ReceiveBuffer, limit: Int) -> Received {
        precondition(!isClosed, "received from a closed socket")
        var count = min(limit, buffer.size, inbox.count)
        if count > 0 {
            if let portion { count = portion(count) }
            if count == 0 { return .wouldBlock }
            let inbox = inbox
            buffer.fill { bytes in for index in 0..<count { bytes[index] = inbox[inbox.startIndex + index] } }
            self.inbox.removeFirst(count)
            receivedCount += count
            peer?.socketChanged(self)
            return .bytes(count)
        }
        if let error = takeError() { return .failed(error) }
        return isEnded || isBroken ? .endOfStream : .wouldBlock
    }

    package func peek() -> UInt8? { inbox.first }

    package func send(_ bytes: Span<UInt8>) -> Sent {
        precondition(!isClosed, "sent to a closed socket")
        if let error = takeError() { return .failed(error) }
        if isBroken || isShutDown { return .failed(SystemError(32)) }
        var count = min(room, bytes.count)
        if count > 0, let portion { count = portion(count) }
        for index in 0..<count { outbox.append(bytes[index]) }
        if room != Int.max { room -= count }
        sentCount += count
        peer?.socketChanged(self)
        return .bytes(count)
    }

    package func shutdownSending() {
        isShutDown = true
        peer?.socketChanged(self)
    }

    package func close() {
        guard !isClosed else { return }
        isClosed = true
        peer?.socketChanged(self)
    }

    private var readiness: Readiness {
        guard !isClosed, isAnswered else { return [] }
        var readiness: Readiness = []
        let hasEnded = isEnded && (!isEndHidden || inbox.isEmpty) || error != nil || isBroken
        if interest.contains(.read), !inbox.isEmpty || hasEnded { readiness.insert(.readable) }
        if interest.contains(.write), room > 0 || error != nil || isBroken { readiness.insert(.writable) }
        if interest.contains(.close), !interest.contains(.read), hasEnded, !hasToldEnd { readiness.insert(.closed) }
        return readiness
    }

    /// There is an event, though possibly without an owner.
    var isReady: Bool { !readiness.isEmpty }

    /// Reports the event to the owner; false when there is none.
    func tell() -> Bool {
        let readiness = readiness
        guard !readiness.isEmpty, let owner else { return false }
        if readiness.contains(.closed) { hasToldEnd = true }
        owner.socket(self, became: readiness)
        return true
    }
}
