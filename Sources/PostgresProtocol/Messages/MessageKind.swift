// The message types of protocol 3 that pgleash distinguishes, under the names of PostgreSQL's chapter "Message
// Formats". Messages of other types are passed on, too. The types are public because the compiler inlines nothing
// `package` into other modules, and each access would be a call there.

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
/// The first byte of a message that the client sends after its startup packet.
public enum FrontendKind {
    @inlinable public static var bind: UInt8 { UInt8(ascii: "B") }
    @inlinable public static var close: UInt8 { UInt8(ascii: "C") }
    @inlinable public static var copyData: UInt8 { UInt8(ascii: "d") }
    @inlinable public static var copyDone: UInt8 { UInt8(ascii: "c") }
    @inlinable public static var copyFail: UInt8 { UInt8(ascii: "f") }
    @inlinable public static var describe: UInt8 { UInt8(ascii: "D") }
    @inlinable public static var execute: UInt8 { UInt8(ascii: "E") }
    @inlinable public static var functionCall: UInt8 { UInt8(ascii: "F") }
    @inlinable public static var parse: UInt8 { UInt8(ascii: "P") }
    @inlinable public static var query: UInt8 { UInt8(ascii: "Q") }
    @inlinable public static var sync: UInt8 { UInt8(ascii: "S") }
    @inlinable public static var terminate: UInt8 { UInt8(ascii: "X") }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
/// The first byte of a message that the server sends.
public enum BackendKind {
    @inlinable public static var authentication: UInt8 { UInt8(ascii: "R") }
    @inlinable public static var backendKeyData: UInt8 { UInt8(ascii: "K") }
    @inlinable public static var bindComplete: UInt8 { UInt8(ascii: "2") }
    @inlinable public static var closeComplete: UInt8 { UInt8(ascii: "3") }
    @inlinable public static var commandComplete: UInt8 { UInt8(ascii: "C") }
    @inlinable public static var copyBothResponse: UInt8 { UInt8(ascii: "W") }
    @inlinable public static var copyInResponse: UInt8 { UInt8(ascii: "G") }
    @inlinable public static var copyOutResponse: UInt8 { UInt8(ascii: "H") }
    @inlinable public static var emptyQueryResponse: UInt8 { UInt8(ascii: "I") }
    @inlinable public static var errorResponse: UInt8 { UInt8(ascii: "E") }
    @inlinable public static var functionCallResponse: UInt8 { UInt8(ascii: "V") }
    @inlinable public static var negotiateProtocolVersion: UInt8 { UInt8(ascii: "v") }
    @inlinable public static var noData: UInt8 { UInt8(ascii: "n") }
    @inlinable public static var noticeResponse: UInt8 { UInt8(ascii: "N") }
    @inlinable public static var parameterStatus: UInt8 { UInt8(ascii: "S") }
    @inlinable public static var parseComplete: UInt8 { UInt8(ascii: "1") }
    @inlinable public static var portalSuspended: UInt8 { UInt8(ascii: "s") }
    @inlinable public static var readyForQuery: UInt8 { UInt8(ascii: "Z") }
    @inlinable public static var rowDescription: UInt8 { UInt8(ascii: "T") }
}

/// A set of message types: one bit for each byte value.
struct KindSet: Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ kinds: UInt8...) {
        for kind in kinds {
            precondition(kind < 128, "a message type is an ASCII letter or digit")
            if kind < 64 { low |= 1 << UInt64(kind) } else { high |= 1 << UInt64(kind & 63) }
        }
    }

    /// Byte values of 128 and above are in no set.
    func contains(_ kind: UInt8) -> Bool {
        let word = kind < 64 ? low : kind < 128 ? high : 0
        return word >> UInt64(kind & 63) & 1 == 1
    }
}
