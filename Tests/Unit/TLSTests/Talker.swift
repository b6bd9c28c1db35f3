// An owner of a socket that sends and receives as a session does: it sends the rest after a short send.

import Reactor
import TLS

/// One end of a conversation.
final class Talker: SocketOwner {
    let socket: any StreamSocket
    private let loop: LibeventLoop
    /// The size of each receive.
    var limit: Int
    var received: [UInt8] = []
    /// The end of the peer's stream.
    private(set) var end: Received?
    private(set) var sendError: SystemError?
    /// The number of readable events.
    private(set) var told = 0
    private var backlog: ArraySlice<UInt8> = []
    /// Called after each event.
    var behind: () -> Void = {}

    init(_ socket: any StreamSocket, on loop: LibeventLoop, limit: Int = .max, interest: Interest = .read) {
        (self.socket, self.loop, self.limit) = (socket, loop, limit)
        socket.owner = self
        socket.interest = interest
    }

    var isStalled: Bool { !backlog.isEmpty }

    /// As Pipe.deliver.
    func send(_ bytes: [UInt8]) {
        backlog += bytes
        if backlog.count == bytes.count { flush() }
    }

    /// As Pipe.flush: one chunk at a time, never less than was offered before.
    private func flush() {
        let chunk = Array(backlog.prefix(64 * 1024))
        switch socket.send(chunk) {
        case .bytes(let count): backlog = backlog.dropFirst(count)
        case .failed(let error):
            sendError = error
            backlog = []
        }
        if isStalled { socket.interest.insert(.write) } else { socket.interest.remove(.write) }
    }

    func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        if readiness.contains(.writable) { flush() }
        if readiness.contains(.readable) {
            told += 1
            receive()
        }
        behind()
    }

    func receive() {
        switch socket.receive(into: loop.receiveBuffer, limit: min(limit, loop.receiveBuffer.size)) {
        case .bytes(let count): loop.receiveBuffer.withReceived(count) { received += $0.copied() }
        case .wouldBlock: break
        case .endOfStream: noteEnd(.endOfStream)
        case .failed(let error): noteEnd(.failed(error))
        }
    }

    private func noteEnd(_ end: Received) {
        self.end = end
        socket.interest = []
    }
}

extension LibeventLoop {
    /// Runs until `condition` holds after an event of `talkers`, or for at most `seconds`.
    ///
    /// - Returns: whether it holds.
    func run(_ talkers: Talker..., atMost seconds: Int = 5, until condition: @escaping () -> Bool) -> Bool {
        for talker in talkers { talker.behind = { [unowned self] in if condition() { stop() } } }
        if !condition() { run(for: .seconds(seconds)) }
        for talker in talkers { talker.behind = {} }
        return condition()
    }
}

extension Span where Element == UInt8 {
    func copied() -> [UInt8] { unsafe withUnsafeBufferPointer { unsafe Array($0) } }
}
