// One direction of a session: what one side sent is followed, then passed on to the other. The same code serves both.

import PostgresWire
import Reactor

/// Bytes on their way from one side to the other.
///
/// Most often all that was received is sent at once and nothing is kept. What a short send leaves over is kept, and
/// the session receives nothing more from the source until it has gone, unless it reads ahead.
struct Pipe {
    private var scanner: MessageScanner
    private var backlog = Backlog()
    /// The destination's connection is broken; bytes for it go nowhere.
    private var isBroken = false

    init(_ direction: MessageScanner.Direction) {
        scanner = MessageScanner(direction)
    }

    /// Something is left over to be sent.
    var isStalled: Bool { !backlog.isEmpty }

    /// Bytes that are left over.
    var keptCount: Int { backlog.count }

    /// The destination has whole messages only, so one of our own may follow.
    var isAtBoundary: Bool { backlog.isEmpty && scanner.isAtBoundary }

    /// Where the destination's stream ends if nothing more is sent.
    var cut: SessionState.Cut {
        if isStalled { return .unsent }
        return scanner.isAtBoundary ? .none : .withinMessage
    }

    /// Follows the messages in `bytes` and counts them; `note`, as for `MessageScanner.scan`, keeps `state` in step.
    mutating func follow(
        _ bytes: Span<UInt8>,
        _ traffic: Counters.Traffic,
        _ state: inout SessionState,
        note: (_ state: inout SessionState, _ kind: UInt8, _ body: Span<UInt8>) -> Void
    ) throws(MalformedMessage) {
        let before = scanner.messageCount
        defer {
            traffic.bytes.add(Int64(bytes.count))
            traffic.messages.add(Int64(truncatingIfNeeded: scanner.messageCount &- before))
        }
        try scanner.scan(bytes) { kind, body in note(&state, kind, body) }
    }

    /// Sends `bytes` behind what is left over, and keeps what doesn't go out.
    ///
    /// - Returns: why the destination takes nothing any more, when it just broke.
    mutating func deliver(_ bytes: Span<UInt8>, to destination: any StreamSocket) -> SystemError? {
        guard !isStalled else {
            backlog.append(bytes)
            return nil
        }
        guard !isBroken else { return nil }
        switch destination.send(bytes) {
        case .failed(let error):
            isBroken = true
            return error
        case .bytes(let sent):
            if sent < bytes.count { backlog.append(bytes.extracting(sent..<bytes.count)) }
            return nil
        }
    }

    /// Sends more of what is left over.
    ///
    /// - Returns: as for `deliver`.
    mutating func flush(to destination: any StreamSocket) -> SystemError? {
        guard isStalled else { return nil }
        switch backlog.withFirst({ destination.send($0) }) {
        case .failed(let error):
            isBroken = true
            discard()
            return error
        case .bytes(let sent):
            backlog.removeFirst(sent)
            return nil
        }
    }

    /// Forgets what is left over.
    mutating func discard() {
        backlog.removeAll()
    }
}
