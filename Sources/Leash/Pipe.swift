// One direction of a session: what one side sent is followed, then passed on to the other. The same code serves both.

import PostgresWire
import Reactor

/// Bytes on their way from one side to the other.
///
/// Most often all that was received is sent at once and nothing is kept. What a short send leaves over is kept, and
/// the session receives nothing more from the source until it has gone, unless it reads ahead.
struct Pipe {
    enum Delivery: Equatable {
        /// All went out.
        case done
        /// Something is left; the destination tells when it is writable.
        case stalled
        /// The destination takes nothing any more.
        case failed(SystemError)
    }

    private var scanner: MessageScanner
    private var backlog = Backlog()
    private let traffic: Counters.Traffic

    init(_ direction: MessageScanner.Direction, _ traffic: Counters.Traffic) {
        scanner = MessageScanner(direction)
        self.traffic = traffic
    }

    /// Something is left over to be sent.
    var isStalled: Bool { !backlog.isEmpty }

    /// The destination has whole messages only, so one of our own may follow.
    var isAtBoundary: Bool { backlog.isEmpty && scanner.isAtBoundary }

    /// Follows the messages in `bytes` and counts them; `note` as for `MessageScanner.scan`.
    mutating func follow(
        _ bytes: Span<UInt8>,
        note: (_ kind: UInt8, _ body: Span<UInt8>) -> Void
    ) throws(MalformedMessage) {
        let before = scanner.messageCount
        defer {
            traffic.bytes.add(Int64(bytes.count))
            traffic.messages.add(Int64(truncatingIfNeeded: scanner.messageCount &- before))
        }
        try scanner.scan(bytes, note: note)
    }

    /// Sends `bytes`, which must not be offered while stalled, and keeps what doesn't go out.
    mutating func deliver(_ bytes: Span<UInt8>, to destination: any StreamSocket) -> Delivery {
        switch destination.send(bytes) {
        case .failed(let error): return .failed(error)
        case .bytes(let sent):
            if sent == bytes.count { return .done }
            backlog.append(bytes.extracting(sent..<bytes.count))
            return .stalled
        }
    }

    /// Keeps `bytes` behind what is left over.
    mutating func keep(_ bytes: Span<UInt8>) {
        backlog.append(bytes)
    }

    /// Sends more of what is left over.
    mutating func flush(to destination: any StreamSocket) -> Delivery {
        guard isStalled else { return .done }
        switch backlog.withFirst({ destination.send($0) }) {
        case .failed(let error): return .failed(error)
        case .bytes(let sent):
            backlog.removeFirst(sent)
            return isStalled ? .stalled : .done
        }
    }

    /// Forgets what is left over.
    mutating func discard() {
        backlog.removeAll()
    }
}
