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
package struct MessageScanner: Sendable {
    /// Which end speaks.
    package enum Direction: Sendable { case frontend, backend }

    /// Type byte and length; the length counts itself but not the type byte.
    private static let headerLength = 5

    /// BackendKeyData's body: a process ID of 4 bytes and a secret of 4 to 256 (protocol 3.2); and one more, so that a
    /// longer one is not taken for its beginning.
    private static let longestKeyData = 4 + 256 + 1

    /// Messages whose header has been seen.
    package private(set) var messageCount: UInt64 = 0

    private let direction: Direction
    private let noted: KindSet
    private var header: UInt64 = 0
    private var headerCount: UInt8 = 0
    private var bodyLeft: UInt32 = 0
    /// The last noted message was CopyData.
    private var isWithinData = false
    /// A noted message whose wanted prefix was cut; nil nearly always.
    private var gathering: Gathering?

    private struct Gathering {
        let kind: UInt8
        let wanted: Int
        var bytes: [UInt8] = []
    }

    package init(_ direction: Direction) {
        self.direction = direction
        noted = direction == .frontend ? Self.notedFrontend : Self.notedBackend
    }

    /// Nothing of a message is outstanding: the next byte is a type byte.
    package var isAtBoundary: Bool { headerCount == 0 && bodyLeft == 0 }

    /// Reads on through `bytes`, which continue where the last call's ended, and calls `note` for each noted message,
    /// in order, with its type and the wanted first bytes of its body (most often none). Of several CopyData in a row
    /// only the first is noted.
    ///
    /// - Throws: `MalformedMessage` at a length outside of 4 to 2,147,483,647; the stream can't be followed from there.
    package mutating func scan(
        _ bytes: Span<UInt8>,
        note: (_ kind: UInt8, _ body: Span<UInt8>) -> Void
    ) throws(MalformedMessage) {
        var offset = 0
        while offset < bytes.count {
            if bodyLeft > 0 {
                passBody(of: bytes, from: &offset, note: note)
            } else if headerCount == 0, bytes.count - offset >= Self.headerLength {
                let kind = bytes[offset]
                // Five bytes are there, so the length can be read.
                let length = bytes.bigEndianUInt32(at: offset + 1) ?? 0
                offset += Self.headerLength
                try begin(kind, length, note)
            } else {
                header = header << 8 | UInt64(bytes[offset])
                headerCount += 1
                offset += 1
                if headerCount == Self.headerLength {
                    headerCount = 0
                    try begin(UInt8(truncatingIfNeeded: header >> 32), UInt32(truncatingIfNeeded: header), note)
                }
            }
        }
    }

    private mutating func begin(
        _ kind: UInt8,
        _ length: UInt32,
        _ note: (UInt8, Span<UInt8>) -> Void
    ) throws(MalformedMessage) {
        guard length >= 4, length <= Int32.max else { throw MalformedMessage(kind: kind, length: length) }
        messageCount &+= 1
        bodyLeft = length - 4
        guard noted.contains(kind) else { return }
        // Of many in a row, as in a bulk load, the first tells all.
        if isWithinData, kind == FrontendKind.copyData { return }
        isWithinData = kind == FrontendKind.copyData
        let wanted = min(wantedPrefix(of: kind), Int(bodyLeft))
        if wanted == 0 {
            note(kind, Span())
        } else {
            gathering = Gathering(kind: kind, wanted: wanted)
        }
    }

    private mutating func passBody(
        of bytes: Span<UInt8>,
        from offset: inout Int,
        note: (UInt8, Span<UInt8>) -> Void
    ) {
        let start = offset
        let passed = min(Int(bodyLeft), bytes.count - offset)
        offset += passed
        bodyLeft -= UInt32(passed)
        guard var prefix = gathering else { return }
        let missing = prefix.wanted - prefix.bytes.count
        if prefix.bytes.isEmpty, passed >= missing {
            gathering = nil
            note(prefix.kind, bytes.extracting(start..<start + missing))
            return
        }
        prefix.bytes += bytes.extracting(start..<start + min(missing, passed)).copied()
        gathering = prefix.bytes.count < prefix.wanted ? prefix : nil
        if gathering == nil { note(prefix.kind, prefix.bytes.span) }
    }

    private func wantedPrefix(of kind: UInt8) -> Int {
        guard direction == .backend else { return 0 }
        switch kind {
        case BackendKind.readyForQuery: return 1
        case BackendKind.authentication: return 4
        case BackendKind.backendKeyData: return Self.longestKeyData
        default: return 0
        }
    }

    private static let notedFrontend = KindSet(
        FrontendKind.bind, FrontendKind.close, FrontendKind.copyData, FrontendKind.copyDone, FrontendKind.copyFail,
        FrontendKind.describe, FrontendKind.execute, FrontendKind.functionCall, FrontendKind.parse,
        FrontendKind.query, FrontendKind.sync, FrontendKind.terminate
    )

    private static let notedBackend = KindSet(
        BackendKind.authentication, BackendKind.backendKeyData, BackendKind.bindComplete, BackendKind.closeComplete,
        BackendKind.commandComplete, BackendKind.copyInResponse, BackendKind.emptyQueryResponse,
        BackendKind.errorResponse, BackendKind.functionCallResponse, BackendKind.noData, BackendKind.parseComplete,
        BackendKind.portalSuspended, BackendKind.readyForQuery, BackendKind.rowDescription
    )
}
