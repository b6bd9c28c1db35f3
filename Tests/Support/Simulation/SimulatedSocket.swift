// A socket that is two byte queues: one end is the product's, the other the test's.

import Reactor

/// The test's end of a simulated socket, told when there is something new for it.
package protocol SocketPeer: AnyObject {
    /// Bytes were taken or sent, the stream was shut down, or the socket was closed.
    func socketChanged(_ socket: SimulatedSocket)
}

/// A StreamSocket without a system.
package final class SimulatedSocket: StreamSocket {
    package weak var owner: (any SocketOwner)?
    package weak var peer: (any SocketPeer)?
    package var interest: Interest = []
    package let peerAddress: SocketAddress?
    /// Where it was connected to; nil for an accepted one.
    package let dialledAddress: SocketAddress?
    /// The peer's host takes notice of us; before, the socket is nothing.
    package var isAnswered = true
    /// The connection stood as soon as it was made.
    package var isConnected = false
    /// What the connection broke with, until it is taken; from then on the socket is as the kernel leaves it behind a
    /// reset: ended for receives, broken for sends.
    package var error: SystemError? {
        didSet { if oldValue != nil, error == nil { isBroken = true } }
    }
    private var isBroken = false

    /// What was sent goes without an answer: at each look the kernel has made one attempt more.
    package var isUnanswered = false { didSet { unansweredCount = 0 } }
    private var unansweredCount = 0

    /// What the peer has sent and we have not received.
    package var inbox: [UInt8] = []
    /// The peer's stream ends behind `inbox`.
    package var isEnded = false
    /// That end is told only when `inbox` is empty: it is in the peer's kernel, behind bytes that have no room here.
    package var isEndHidden = false
    /// The peer's kernel can be asked, as on the same machine.
    package var isPeerKnown = true
    /// How often it was.
    package private(set) var questionCount = 0
    /// What we have sent and the peer has not taken.
    package private(set) var outbox: [UInt8] = []
    package var outboxCount: Int { outbox.count }
    /// How many more bytes a send takes.
    package var room = Int.max
    /// How many of so many bytes the next receive or send takes; all, where there is no say.
    package var portion: ((Int) -> Int)?
    /// Bytes received and sent so far.
    package private(set) var receivedCount = 0
    package private(set) var sentCount = 0
    package private(set) var isShutDown = false
    package private(set) var isClosed = false
    private var hasToldEnd = false

    init(peer: SocketAddress, dialled: SocketAddress? = nil) {
        (peerAddress, dialledAddress) = (peer, dialled)
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

    /// The peer is told nothing more of the stream than its end.
    package var hasEndedSending: Bool { isShutDown || isClosed }

    /// Looked at each second, it is silent for as many seconds as it has been looked at.
    package var attempts: Attempts? {
        if isUnanswered { unansweredCount += 1 }
        return Attempts(kind: .retransmission, count: unansweredCount, silence: .seconds(unansweredCount))
    }

    /// What was asked of the kernel, in order.
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

    /// There is something to tell, though perhaps nobody to be told.
    var isReady: Bool { !readiness.isEmpty }

    /// Tells the owner what there is to tell; false when that is nothing.
    func tell() -> Bool {
        let readiness = readiness
        guard !readiness.isEmpty, let owner else { return false }
        if readiness.contains(.closed) { hasToldEnd = true }
        owner.socket(self, became: readiness)
        return true
    }
}
