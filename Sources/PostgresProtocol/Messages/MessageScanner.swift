// Follows the message boundaries of one direction of a session through a stream that is cut anywhere, and tells of
// the messages that matter. It keeps no body: of a long message it remembers how many bytes are still to pass.

/// A length that no peer of good will sends.
package struct MalformedMessage: Error, Equatable, Sendable {
    /// The type byte of the message.
    package let kind: UInt8
    /// The length it announced, itself included; what is legal is 4 to 2,147,483,647.
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
/// A session has two of these, so the small fields stand together.
package struct MessageScanner: Hashable, Sendable {
    /// Which end speaks.
    package enum Direction: Sendable { case frontend, backend }

    /// Type byte and length; the length counts itself but not the type byte.
    private static let headerLength = 5

    /// BackendKeyData's body: a process ID of 4 bytes and a secret of 4 to 256 (protocol 3.2); and one more, so that a
    /// longer one is not taken for its beginning.
    private static let longestKeyData = 4 + 256 + 1

    /// Messages whose header has been seen.
    package private(set) var messageCount: UInt64 = 0

    /// What has come of a header that was cut.
    private var header: UInt64 = 0
    /// What has come of the first bytes of a message that was cut and is to be noted; empty nearly always.
    private var prefix: [UInt8] = []
    private var bodyLeft: UInt32 = 0
    /// How many that will be.
    private var prefixWanted: UInt16 = 0
    /// The type of that message; 0 when there is none.
    private var awaitedKind: UInt8 = 0
    private var headerCount: UInt8 = 0
    package let direction: Direction
    /// The last noted message was CopyData.
    private var isWithinData = false

    package init(_ direction: Direction) {
        self.direction = direction
    }

    /// The next `count` bytes are no message of those that have a type, such as the start-up packet.
    package mutating func expectPrelude(_ count: UInt32) { bodyLeft = count }

    /// Nothing of a message is outstanding: the next byte is a type byte.
    package var isAtBoundary: Bool { headerCount == 0 && bodyLeft == 0 }

    /// Reads on through `bytes`, which continue where the last call's ended, and calls `note` for each noted message,
    /// in order, with its type and the first bytes of its body: up to 1,024 of a client's message, where the text of a
    /// statement is, and up to 261 of a server's, where a cancel key or an error's code is. Of several CopyData in a
    /// row only the first is noted, of ParameterStatus only those whose name begins with an `a`.
    ///
    /// A message of the server's is noted as soon as these bytes are there. One of the client's is noted when it is
    /// whole, as the server does nothing about it before.
    ///
    /// - Throws: `MalformedMessage` at a length outside of 4 to 2,147,483,647; the stream can't be followed from there.
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

    /// Goes from header to header for as long as they are not cut: nearly all of a stream. Returns where the rest
    /// begins.
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
            // Five bytes are there, so the length can be read.
            let length = header.bigEndianUInt32(at: 1) ?? 0
            try countMessage(kind, length)
            let body = offset &+ Self.headerLength
            let end = offset &+ 1 &+ Int(length)
            if noted.contains(kind), isNew(kind) {
                let known = min(end, body &+ longest)
                if (isWhole ? end : known) <= bytes.count {
                    tell(kind, bytes.extracting(body..<known), note)
                } else {
                    postpone(kind, known &- body)
                    bodyLeft = length - 4
                    return body
                }
            }
            if end > bytes.count {
                bodyLeft = UInt32(end - bytes.count)
                return bytes.count
            }
            offset = end
        }
        return offset
    }

    /// Takes one byte of a header that was cut.
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
        bodyLeft = length - 4
        guard noted.contains(kind), isNew(kind) else { return }
        if bodyLeft == 0 { tell(kind, Span(), note) } else { postpone(kind, min(longestPrefix, Int(bodyLeft))) }
    }

    private mutating func countMessage(_ kind: UInt8, _ length: UInt32) throws(MalformedMessage) {
        // 4 to Int32.max in one comparison.
        guard length &- 4 <= UInt32(Int32.max) - 4 else { throw MalformedMessage(kind: kind, length: length) }
        messageCount &+= 1
    }

    /// The message is noted later, with so many bytes of its body.
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
        tell(awaitedKind, prefix.span, note)
        awaitedKind = 0
        prefix = []
    }

    /// Calls `note`, but not for a ParameterStatus that can't be about application_name: at the start of a session
    /// there are a dozen, of which no other begins with this letter.
    @inline(__always) private func tell(
        _ kind: UInt8, _ body: Span<UInt8>, _ note: (UInt8, Span<UInt8>) -> Void
    ) {
        let isStatus = kind == BackendKind.parameterStatus && direction == .backend
        if !isStatus || body.count > 0 && body[0] == UInt8(ascii: "a") { note(kind, body) }
    }

    /// Of many CopyData in a row, as in a bulk load, the first tells all.
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
