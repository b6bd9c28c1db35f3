// One direction of a session: what one side sent is followed, and passed on to the other. The same code serves both.

import PostgresProtocol
import Reactor
import Telemetry

/// Bytes on their way from one side to the other.
///
/// Most often all that was received is sent at once and nothing is kept. What a short send leaves over is kept, and
/// the session receives nothing more from the source until it has gone, unless it reads ahead.
struct Pipe {
    private var scanner: MessageScanner
    private(set) var buffer = SendBuffer()

    init(_ direction: MessageScanner.Direction) {
        scanner = MessageScanner(direction)
    }

    /// Something is left over to be sent.
    var isStalled: Bool { buffer.isStalled }

    /// Bytes that are left over.
    var keptCount: Int { buffer.count }

    /// What was followed ends within a message.
    var isCut: Bool { !scanner.isAtBoundary }

    /// The first `count` bytes to come are no message of those that have a type.
    mutating func expectPrelude(_ count: Int) { scanner.expectPrelude(UInt32(count)) }

    /// Follows the messages in `bytes` and counts them.
    mutating func follow(
        _ bytes: Span<UInt8>, _ traffic: Counters.Traffic, _ tracker: inout ProtocolTracker
    ) throws(MalformedMessage) {
        let before = scanner.messageCount
        defer { traffic.messages.add(Int64(truncatingIfNeeded: scanner.messageCount &- before)) }
        try tracker.follow(bytes, by: &scanner)
    }

    /// Sends `bytes` after what is left over, and keeps what doesn't go out.
    ///
    /// - Returns: why the destination takes nothing any more, when it just broke.
    mutating func deliver(_ bytes: Span<UInt8>, to destination: any StreamSocket) -> SystemError? {
        if case .failed(let error) = buffer.send(bytes, to: destination) { error } else { nil }
    }

    /// Says something of our own, where no message of the source's is under way.
    mutating func interject(_ error: FatalError, to destination: any StreamSocket) {
        if !buffer.isStalled, scanner.isAtBoundary { _ = deliver(error.bytes.span, to: destination) }
    }

    /// As `deliver`, and follows what goes out.
    @inline(__always) mutating func pass(
        _ bytes: Span<UInt8>,
        to destination: any StreamSocket,
        _ traffic: Counters.Traffic,
        _ tracker: inout ProtocolTracker
    ) throws(MalformedMessage) -> SystemError? {
        switch buffer.send(bytes, to: destination) {
        case .failed(let error): return error
        case .bytes(let sent):
            try follow(sent == bytes.count ? bytes : bytes.extracting(0..<sent), traffic, &tracker)
            return nil
        }
    }

    /// Sends more of what is left over.
    ///
    /// - Returns: as for `deliver`.
    mutating func flush(to destination: any StreamSocket) -> SystemError? { buffer.flush(to: destination) }

    /// Does the same, and follows what goes out.
    mutating func passMore(
        to destination: any StreamSocket, _ traffic: Counters.Traffic, _ tracker: inout ProtocolTracker
    ) throws(MalformedMessage) -> SystemError? {
        let sent: ArraySlice<UInt8>
        do throws(SystemError) { sent = try buffer.sendMore(to: destination) } catch { return error }
        try follow(sent.span, traffic, &tracker)
        return nil
    }

    /// Forgets what is left over.
    mutating func discard() { buffer.discard() }
}
