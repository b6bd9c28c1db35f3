// The message within which a stream ended.

/// An incomplete message: its type, and the number of bytes that are missing.
package struct CutMessage: Hashable, Sendable {
    /// The position of the next message is not known, or the type of this one.
    package static let unknown = CutMessage(kind: 0, headerMissing: 0, bodyMissing: 0)

    /// The longest rest that is sent in the client's place, in bytes: no more than is kept for a session anyway, as a
    /// client chooses the length of its message. Most drivers send a copy in messages of 8 to 128 KiB.
    private static let longestRest = 128 << 10

    private let kind: UInt8
    /// The number of missing bytes of the length, 0 to 4.
    private let headerMissing: Int
    private let bodyMissing: UInt32

    /// - Parameter bodyMissing: where the length is incomplete, the smallest number that its known bytes permit.
    package init(kind: UInt8, headerMissing: Int, bodyMissing: UInt32) {
        (self.kind, self.headerMissing, self.bodyMissing) = (kind, headerMissing, bodyMissing)
    }

    /// The rest of a CopyData of a copy in text or CSV format. No line ends in it, so a CopyFail after it makes the
    /// copy fail before the server takes a line that the client has not sent.
    ///
    /// - Returns: nil where it is too long, or the message is another one.
    package var restOfCopyData: [UInt8]? {
        guard kind == FrontendKind.copyData, bodyMissing <= Self.longestRest else { return nil }
        var length: [UInt8] = []
        length.appendBigEndian(bodyMissing + 4)
        return length.suffix(headerMissing) + [UInt8](repeating: UInt8(ascii: " "), count: Int(bodyMissing))
    }
}
