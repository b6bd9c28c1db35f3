// A conversation like one of psql, a driver with pipelining and a COPY; and a function that scans it in pieces and
// records the scanner's reports.

import PostgresProtocol
import TestSupport

/// A report of a scanner about a message.
struct Note: Equatable, CustomStringConvertible {
    let kind: UInt8
    let body: [UInt8]

    init(_ kind: UInt8, _ body: [UInt8] = []) {
        self.kind = kind
        self.body = body
    }

    init(_ kind: Character, _ body: [UInt8] = []) {
        self.init(kind.asciiValue ?? 0, body)
    }

    var description: String { "\(Character(UnicodeScalar(kind)))\(body)" }
}

/// The visible state of a scanner after the bytes.
struct Transcript: Equatable {
    var notes: [Note] = []
    var messageCount: UInt64 = 0
    var isAtBoundary = true
    var failure: MalformedMessage?

    /// The number of bytes that matter of each reported body; 0 for bodies that are not here.
    private static let interest: [MessageScanner.Direction: [UInt8: Int]] = [
        .frontend: [0x51: 1024, 0x50: 1024, 0x42: 1024],
        .backend: [0x5a: 1, 0x52: 4, 0x4b: 261, 0x45: 256, 0x4e: 256],
    ]

    /// Scans `pieces` one after the other with one scanner; ends at the first error.
    init(_ direction: MessageScanner.Direction, _ pieces: [some Collection<UInt8>]) {
        var scanner = MessageScanner(direction)
        var notes: [Note] = []
        do throws(MalformedMessage) {
            for piece in pieces {
                try scanner.scan(Array(piece).span) { kind, body in
                    let count = Self.interest[direction]?[kind] ?? 0
                    notes.append(Note(kind, Array(body.copied().prefix(count))))
                }
            }
        } catch {
            failure = error
        }
        self.notes = notes
        messageCount = scanner.messageCount
        isAtBoundary = scanner.isAtBoundary
    }
}

/// The client's half after its StartupMessage.
let frontendConversation: [UInt8] = join(
    [
        message("p", "md5…"),
        message("Q", "select 1; select 2"),
        message("P", [0] + Array("select $1".utf8) + [0, 0, 0]), message("D", "S"), message("H"),
        message("B", [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x37, 0, 0]), message("E", [0, 0, 0, 0, 0]), message("S"),
        message("C", "Sportal"), message("S"), message("F", int32(2_000) + [0, 0, 0, 0, 0, 0]),
        message("Q", "copy t from stdin"), message("d", "1\t2\n"), message("d"), message("d", "3\t4\n"), message("c"),
        message("Q", "copy t from stdin"), message("d", "x"), message("f", "given up"),
        message("X"),
    ]
)

/// Of several CopyData in a row only the first, and the bodies that contain a statement.
let frontendNotes: [Note] =
    [
        Note("Q", Array("select 1; select 2\u{0}".utf8)), Note("P", [0] + Array("select $1".utf8) + [0, 0, 0]),
        Note("D"),
        Note("B", [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x37, 0, 0]), Note("E"), Note("S"), Note("C"), Note("S"), Note("F"),
        Note("Q", Array("copy t from stdin\u{0}".utf8)), Note("d"), Note("c"),
        Note("Q", Array("copy t from stdin\u{0}".utf8)), Note("d"), Note("f"), Note("X"),
    ]
let frontendMessageCount: UInt64 = 20

/// The server's half: SCRAM, parameters, a key of 32 bytes, replies, errors, COPY in both directions, a notice.
let backendConversation: [UInt8] = join(
    [
        message("R", int32(10) + Array("SCRAM-SHA-256".utf8) + [0, 0]),
        message("R", int32(11) + Array("r=…".utf8)), message("R", int32(12) + Array("v=…".utf8)),
        message("R", int32(0)), message("S", "server_version\u{0}18.0"),
        message("K", int32(4_711) + longSecret),
        message("Z", [UInt8(ascii: "I")]),
        message("T", [0, 0]), message("D", [0, 1, 0, 0, 0, 1, 0x31]), message("C", "SELECT 1"),
        message("Z", [UInt8(ascii: "T")]),
        message("1"), message("t", [0, 0]), message("n"), message("2"), message("D", [0, 0]), message("s"),
        message("3"), message("I"), message("V", [0xff, 0xff, 0xff, 0xff]), message("A", "channel"),
        message("N", "SNOTICE\u{0}"), message("E", "SERROR\u{0}C57014\u{0}"), message("Z", [UInt8(ascii: "E")]),
        message("G", [0, 0, 0]), message("H", [0, 0, 0]), message("d", "5\t6\n"), message("c"),
        message("C", "COPY 1"), message("Z", [UInt8(ascii: "I")]),
    ]
)

let longSecret: [UInt8] = (0..<32).map { 200 + $0 }

let backendNotes: [Note] = [
    Note("R", int32(10)), Note("R", int32(11)), Note("R", int32(12)), Note("R", int32(0)),
    Note("K", int32(4_711) + longSecret), Note("Z", [UInt8(ascii: "I")]),
    Note("T"), Note("C"), Note("Z", [UInt8(ascii: "T")]),
    Note("1"), Note("n"), Note("2"), Note("s"), Note("3"), Note("I"), Note("V"),
    Note("N", Array("SNOTICE\u{0}\u{0}".utf8)),
    Note("E", Array("SERROR\u{0}C57014\u{0}\u{0}".utf8)),
    Note("Z", [UInt8(ascii: "E")]), Note("G"), Note("H"), Note("C"), Note("Z", [UInt8(ascii: "I")]),
]
let backendMessageCount: UInt64 = 30

/// The type is given because the compiler is slow to infer it for a long list.
private func join(_ messages: [[UInt8]]) -> [UInt8] {
    Array(messages.joined())
}
