// The message scanner, compared with a simple implementation that has all bytes at once: both report the same for every
// stream, split anywhere.

import PostgresProtocol

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

/// A malformed message.
private struct Failure: Equatable {
    let kind: UInt8
    let length: UInt32
}

/// The reports for a stream.
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
    // There are no messages after an invalid length.
    result.isAtBoundary = result.failure != nil || scanner.isAtBoundary
    return result
}

private let noted: [MessageScanner.Direction: Set<UInt8>] = [
    .frontend: Set("BCcdfDEFPQSX".utf8), .backend: Set("23CEGHIKNRSVWZn1sT".utf8),
]

/// The number of bytes of a body that are reported.
private let longestPrefix: [MessageScanner.Direction: Int] = [.frontend: 1024, .backend: 261]

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
        let known = min(end, body + longestPrefix[direction, default: 0])
        let isStatus = direction == .backend && kind == BackendKind.parameterStatus
        let isOtherStatus = isStatus && (end == body || body < bytes.count && bytes[body] != UInt8(ascii: "a"))
        if !repeatsData, !isOtherStatus, noted[direction]?.contains(kind) == true,
            (direction == .frontend ? end : known) <= bytes.count
        {
            result.notes.append(Note(kind: kind, body: Array(bytes[body..<known])))
        }
        offset = end
    }
    if result.failure != nil { result.isAtBoundary = true }
    return result
}
