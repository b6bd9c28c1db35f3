// One direction of a session: the messages of one side are scanned and passed on to the other one. Both directions use
// the same code.

import PostgresProtocol
import Reactor
import Telemetry

/// The bytes on their way from one side to the other.
///
/// Most often all received bytes are sent at once and none are kept. The bytes that a short send leaves are kept, and
/// the session receives nothing more from the source until they are sent, unless it reads ahead.
struct Pipe {
    private var scanner: MessageScanner
    private(set) var buffer = SendBuffer()

    init(_ direction: MessageScanner.Direction) {
        scanner = MessageScanner(direction)
    }

    /// Bytes remain to be sent.
    var isStalled: Bool { buffer.isStalled }

    /// The number of remaining bytes.
    var keptCount: Int { buffer.count }

    /// The scanned bytes end within a message.
    var isCut: Bool { !scanner.isAtBoundary }

    /// The message within which the scanned bytes end.
    var cutMessage: CutMessage? { scanner.cutMessage }

    /// The first `count` bytes are not a message with a type byte.
    mutating func expectPrelude(_ count: Int) { scanner.expectPrelude(UInt32(count)) }

    /// Scans the messages in `bytes` and counts them.
    mutating func follow(
        _ bytes: Span<UInt8>, _ traffic: Counters.Traffic, _ tracker: inout ProtocolTracker
    ) throws(MalformedMessage) {
        let before = scanner.messageCount
        defer { traffic.messages.add(Int64(truncatingIfNeeded: scanner.messageCount &- before)) }
        try tracker.follow(bytes, by: &scanner)
    }

    /// Sends `bytes` after the remaining ones, and keeps those that are not sent.
    ///
    /// - Returns: the reason why the destination takes nothing any more, when it has just failed.
    mutating func deliver(_ bytes: Span<UInt8>, to destination: any StreamSocket) -> SystemError? {
        if case .failed(let error) = buffer.send(bytes, to: destination) { error } else { nil }
    }

    /// Sends a message of pgleash, unless one of the source is incomplete.
    mutating func interject(_ error: FatalError, to destination: any StreamSocket) {
        if !buffer.isStalled, scanner.isAtBoundary { _ = deliver(error.bytes.span, to: destination) }
    }

    /// As `deliver`, and scans the bytes that are sent.
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

    /// Sends more of the remaining bytes.
    ///
    /// - Returns: as for `deliver`.
    mutating func flush(to destination: any StreamSocket) -> SystemError? { buffer.flush(to: destination) }

    /// The same, and scans the bytes that are sent.
    mutating func passMore(
        to destination: any StreamSocket, _ traffic: Counters.Traffic, _ tracker: inout ProtocolTracker
    ) throws(MalformedMessage) -> SystemError? {
        let sent: ArraySlice<UInt8>
        do throws(SystemError) { sent = try buffer.sendMore(to: destination) } catch { return error }
        try follow(sent.span, traffic, &tracker)
        return nil
    }

    /// Discards the remaining bytes.
    mutating func discard() { buffer.discard() }
}
