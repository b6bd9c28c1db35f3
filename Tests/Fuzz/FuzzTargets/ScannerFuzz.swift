// The message scanner beside a reader of the plainest kind, which has all bytes at once: the two tell the same of every
// stream, however it is cut.

import PostgresWire

func fuzzScanner(_ bytes: [UInt8]) throws(Violation) {
    for direction in [MessageScanner.Direction.frontend, .backend] {
        let expected = readPlainly(bytes, direction)
        for pieces in [[bytes], bytes.map { [$0] }, cut(bytes)] {
            let found = scan(pieces, direction)
            try check(found == expected, "\(direction) \(bytes) in \(pieces.count) pieces: \(found), not \(expected)")
        }
    }
}

private struct Note: Equatable {
    let kind: UInt8
    let body: [UInt8]
}

/// A message that can't be right.
private struct Failure: Equatable {
    let kind: UInt8
    let length: UInt32
}

/// What is told of a stream.
private struct Notes: Equatable {
    var notes: [Note] = []
    var messageCount: UInt64 = 0
    var isAtBoundary = true
    var failure: Failure?
}

private func scan(_ pieces: [[UInt8]], _ direction: MessageScanner.Direction) -> Notes {
    var (scanner, result) = (MessageScanner(direction), Notes())
    do throws(MalformedMessage) {
        for piece in pieces {
            try scanner.scan(piece.span) { kind, body in result.notes.append(Note(kind: kind, body: body.copied())) }
        }
    } catch {
        result.failure = Failure(kind: error.kind, length: error.length)
    }
    result.messageCount = scanner.messageCount
    // Behind a length that makes no sense there are no messages any more.
    result.isAtBoundary = result.failure != nil || scanner.isAtBoundary
    return result
}

/// What is noted, and how much of the body.
private let wantedPrefixes: [MessageScanner.Direction: [UInt8: Int]] = [
    .frontend: Dictionary(uniqueKeysWithValues: "BCcdfDEFPQSX".utf8.map { ($0, 0) }),
    .backend: Dictionary(uniqueKeysWithValues: "23CGIEVn1sT".utf8.map { ($0, 0) })
        .merging([UInt8(ascii: "Z"): 1, UInt8(ascii: "R"): 4, UInt8(ascii: "K"): 261]) { $1 },
]

private func readPlainly(_ bytes: [UInt8], _ direction: MessageScanner.Direction) -> Notes {
    var (result, offset) = (Notes(), 0)
    while offset < bytes.count {
        guard offset + 5 <= bytes.count else {
            result.isAtBoundary = false
            break
        }
        let kind = bytes[offset]
        let length = bytes[offset + 1..<offset + 5].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard length >= 4, length <= Int32.max else {
            result.failure = Failure(kind: kind, length: length)
            break
        }
        result.messageCount += 1
        let (body, end) = (offset + 5, offset + 1 + Int(length))
        result.isAtBoundary = end <= bytes.count
        let repeatsData = direction == .frontend && kind == FrontendKind.copyData && result.notes.last?.kind == kind
        if !repeatsData, let wanted = wantedPrefixes[direction]?[kind].map({ min($0, end - body) }),
            body + wanted <= bytes.count
        {
            result.notes.append(Note(kind: kind, body: Array(bytes[body..<body + wanted])))
        }
        offset = end
    }
    if result.failure != nil { result.isAtBoundary = true }
    return result
}
