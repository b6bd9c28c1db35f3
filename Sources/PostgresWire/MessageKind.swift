// The message types of protocol 3 that pgleash tells apart, under the names of PostgreSQL's chapter
// "Message Formats". What is not listed here is passed on all the same: pgleash need not know it.

/// The first byte of a message the client sends after its start-up packet.
package enum FrontendKind {
    package static let bind = UInt8(ascii: "B")
    package static let close = UInt8(ascii: "C")
    package static let copyData = UInt8(ascii: "d")
    package static let copyDone = UInt8(ascii: "c")
    package static let copyFail = UInt8(ascii: "f")
    package static let describe = UInt8(ascii: "D")
    package static let execute = UInt8(ascii: "E")
    package static let functionCall = UInt8(ascii: "F")
    package static let parse = UInt8(ascii: "P")
    package static let query = UInt8(ascii: "Q")
    package static let sync = UInt8(ascii: "S")
    package static let terminate = UInt8(ascii: "X")
}

/// The first byte of a message the server sends.
package enum BackendKind {
    package static let authentication = UInt8(ascii: "R")
    package static let backendKeyData = UInt8(ascii: "K")
    package static let bindComplete = UInt8(ascii: "2")
    package static let closeComplete = UInt8(ascii: "3")
    package static let commandComplete = UInt8(ascii: "C")
    package static let copyInResponse = UInt8(ascii: "G")
    package static let emptyQueryResponse = UInt8(ascii: "I")
    package static let errorResponse = UInt8(ascii: "E")
    package static let functionCallResponse = UInt8(ascii: "V")
    package static let negotiateProtocolVersion = UInt8(ascii: "v")
    package static let noData = UInt8(ascii: "n")
    package static let parseComplete = UInt8(ascii: "1")
    package static let portalSuspended = UInt8(ascii: "s")
    package static let readyForQuery = UInt8(ascii: "Z")
    package static let rowDescription = UInt8(ascii: "T")
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
