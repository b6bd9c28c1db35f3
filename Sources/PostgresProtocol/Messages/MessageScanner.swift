// The scanner follows the message boundaries of one direction of a session through a stream that is split anywhere, and
// reports the messages that matter. It stores no message body: of a long message it keeps the number of bytes that are
// still to come.

/// A message length outside 4 to 2,147,483,647.
package struct MalformedMessage: Error, Equatable, Sendable {
    /// The type byte of the message.
    package let kind: UInt8
    /// The length in the message's header, itself included.
    package let length: UInt32
}

/// The position of one direction of a session within its stream of messages.
///
/// ```
///        kind  length (4)         body
///       ├────┼────┬────┬────┬────┼──────────────────────┤
///         header ≤ 5 collected     prefix, then skipped
/// ```
///
/// A session has two scanners, so the small fields are adjacent to save memory.
package struct MessageScanner: Hashable, Sendable {
    /// The sender of the stream.
    package enum Direction: Sendable { case frontend, backend }

    /// Type byte and length. The length counts itself but not the type byte.
    private static let headerLength = 5

    /// The longest body of BackendKeyData, a process ID of 4 bytes and a secret of 4 to 256 (protocol 3.2); and one
    /// byte more, so that a longer body is not mistaken for its beginning.
    private static let longestKeyData = 4 + 256 + 1

    /// The number of messages whose header was read.
    package private(set) var messageCount: UInt64 = 0

    /// The received part of a split header.
    private var header: UInt64 = 0
    /// The received first bytes of a split message that is to be reported; empty nearly always.
    private var prefix: [UInt8] = []
    private var bodyLeft: UInt32 = 0
    /// The number of bytes that `prefix` needs.
    private var prefixWanted: UInt16 = 0
    /// The type of that message; 0 when there is no such message.
    private var awaitedKind: UInt8 = 0
    private var headerCount: UInt8 = 0
    package let direction: Direction
    /// The last reported message was CopyData.
    private var isWithinData = false
    /// The type of the message whose body is incomplete; 0 where it has none.
    private var cutKind: UInt8 = 0

    package init(_ direction: Direction) {
        self.direction = direction
    }

    /// The next `count` bytes are not a message with a type byte, such as the startup packet.
    package mutating func expectPrelude(_ count: UInt32) { (bodyLeft, cutKind) = (count, 0) }

    /// No message is incomplete: the next byte is a type byte.
    package var isAtBoundary: Bool { headerCount == 0 && bodyLeft == 0 }

    /// The incomplete message at the end of the scanned bytes.
    package var cutMessage: CutMessage? {
        guard headerCount > 0 else {
            return bodyLeft > 0 ? CutMessage(kind: cutKind, headerMissing: 0, bodyMissing: bodyLeft) : nil
        }
        let missing = Self.headerLength - Int(headerCount)
        let known = header << (8 * UInt64(missing))
        let length = UInt32(truncatingIfNeeded: known)
        let kind = UInt8(truncatingIfNeeded: known >> 32)
        return CutMessage(kind: kind, headerMissing: missing, bodyMissing: max(length, 4) - 4)
    }

    /// Scans `bytes`, which continue where those of the last call ended, and calls `note` for each message that
    /// matters, in order, with its type and the first bytes of its body: up to 1,024 of a client's message, which
    /// contain the text of a statement, and up to 261 of a server's, which contain a cancel key or the code of an
    /// error. Of several CopyData in a row only the first is reported, of ParameterStatus only those whose name begins
    /// with an `a`.
    ///
    /// A message of the server is reported as soon as these bytes are there. A message of the client is reported when
    /// it is complete, because the server does not process it before.
    ///
    /// - Throws: `MalformedMessage` at a length outside 4 to 2,147,483,647. The rest of the stream cannot be scanned.
    package mutating func scan(
        _ bytes: Span<UInt8>,
        note: (_ kind: UInt8, _ body: Span<UInt8>) -> Void
    ) throws(MalformedMessage) {
        var offset = 0
        while offset < bytes.count {
            if bodyLeft > 0 {
                offset = passBody(of: bytes, from: offset, note)
            } else if headerCount == 0, bytes.count - offset >= Self.headerLength {
                offset = try scanWholeHeaders(of: bytes, from: offset, note)
            } else {
                try collectHeader(bytes[offset], note)
                offset += 1
            }
        }
    }

    /// Reads header after header while they are not split, which is nearly all of a stream. Returns the offset of the
    /// rest.
    private mutating func scanWholeHeaders(
        of bytes: Span<UInt8>,
        from start: Int,
        _ note: (UInt8, Span<UInt8>) -> Void
    ) throws(MalformedMessage) -> Int {
        var offset = start
        let (noted, isWhole, longest) = (noted, direction == .frontend, longestPrefix)
        while bytes.count &- offset >= Self.headerLength {
            let header = bytes.extracting(offset..<offset &+ Self.headerLength)
            let kind = header[0]
            // The header has five bytes, so there is a length.
            let length = header.bigEndianUInt32(at: 1) ?? 0
            try countMessage(kind, length)
            let body = offset &+ Self.headerLength
            let end = offset &+ 1 &+ Int(length)
            if noted.contains(kind), isNew(kind) {
                let known = min(end, body &+ longest)
                if (isWhole ? end : known) <= bytes.count {
                    report(kind, bytes.extracting(body..<known), note)
                } else {
                    postpone(kind, known &- body)
                    (bodyLeft, cutKind) = (length - 4, kind)
                    return body
                }
            }
            if end > bytes.count {
                (bodyLeft, cutKind) = (UInt32(end - bytes.count), kind)
                return bytes.count
            }
            offset = end
        }
        return offset
    }

    /// Adds one byte to a split header.
    private mutating func collectHeader(
        _ byte: UInt8,
        _ note: (UInt8, Span<UInt8>) -> Void
    ) throws(MalformedMessage) {
        header = header << 8 | UInt64(byte)
        headerCount += 1
        guard headerCount == Self.headerLength else { return }
        headerCount = 0
        let (kind, length) = (UInt8(truncatingIfNeeded: header >> 32), UInt32(truncatingIfNeeded: header))
        try countMessage(kind, length)
        (bodyLeft, cutKind) = (length - 4, kind)
        guard noted.contains(kind), isNew(kind) else { return }
        if bodyLeft == 0 { report(kind, Span(), note) } else { postpone(kind, min(longestPrefix, Int(bodyLeft))) }
    }

    private mutating func countMessage(_ kind: UInt8, _ length: UInt32) throws(MalformedMessage) {
        // One comparison checks both bounds, 4 and Int32.max.
        guard length &- 4 <= UInt32(Int32.max) - 4 else { throw MalformedMessage(kind: kind, length: length) }
        messageCount &+= 1
    }

    /// The message is reported later, with `wanted` bytes of its body.
    private mutating func postpone(_ kind: UInt8, _ wanted: Int) {
        awaitedKind = kind
        prefixWanted = UInt16(wanted)
    }

    private mutating func passBody(
        of bytes: Span<UInt8>,
        from offset: Int,
        _ note: (UInt8, Span<UInt8>) -> Void
    ) -> Int {
        let passed = min(Int(bodyLeft), bytes.count - offset)
        bodyLeft -= UInt32(passed)
        if awaitedKind != 0 { gather(bytes.extracting(offset..<offset + passed), note) }
        return offset + passed
    }

    private mutating func gather(_ bytes: Span<UInt8>, _ note: (UInt8, Span<UInt8>) -> Void) {
        let missing = Int(prefixWanted) - prefix.count
        if missing > 0 { prefix += bytes.extracting(0..<min(missing, bytes.count)).copied() }
        guard prefix.count == Int(prefixWanted), bodyLeft == 0 || direction == .backend else { return }
        report(awaitedKind, prefix.span, note)
        awaitedKind = 0
        prefix = []
    }

    /// Calls `note`, but not for a ParameterStatus that cannot be that of application_name: a session begins with a
    /// dozen of them, and no other name begins with this letter.
    @inline(__always) private func report(
        _ kind: UInt8, _ body: Span<UInt8>, _ note: (UInt8, Span<UInt8>) -> Void
    ) {
        let isStatus = kind == BackendKind.parameterStatus && direction == .backend
        if !isStatus || body.count > 0 && body[0] == UInt8(ascii: "a") { note(kind, body) }
    }

    /// Of many CopyData in a row, as in a bulk load, only the first carries information.
    private mutating func isNew(_ kind: UInt8) -> Bool {
        let isData = kind == FrontendKind.copyData
        defer { isWithinData = isData }
        return !isData || !isWithinData
    }

    private var longestPrefix: Int {
        direction == .frontend ? StatementKind.longestText : Self.longestKeyData
    }

    private var noted: KindSet { direction == .frontend ? Self.notedFrontend : Self.notedBackend }

    private static let notedFrontend = KindSet(
        FrontendKind.bind, FrontendKind.close, FrontendKind.copyData, FrontendKind.copyDone, FrontendKind.copyFail,
        FrontendKind.describe, FrontendKind.execute, FrontendKind.functionCall, FrontendKind.parse,
        FrontendKind.query, FrontendKind.sync, FrontendKind.terminate
    )

    private static let notedBackend = KindSet(
        BackendKind.authentication, BackendKind.backendKeyData, BackendKind.bindComplete, BackendKind.closeComplete,
        BackendKind.commandComplete, BackendKind.copyBothResponse, BackendKind.copyInResponse,
        BackendKind.copyOutResponse, BackendKind.emptyQueryResponse,
        BackendKind.errorResponse, BackendKind.functionCallResponse, BackendKind.noData, BackendKind.noticeResponse,
        BackendKind.parameterStatus, BackendKind.parseComplete, BackendKind.portalSuspended,
        BackendKind.readyForQuery, BackendKind.rowDescription
    )
}
