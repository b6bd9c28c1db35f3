// The only edit of the relay, compared with a simple implementation that has all bytes at once: for any bytes, split
// anywhere, the output is the input without SCRAM-SHA-256-PLUS in the first list of mechanisms.

import PostgresProtocol

/// The longest message that is edited, without its type byte.
private let longestMessage = 2000

func fuzzChannelBinding(_ bytes: [UInt8]) throws(Violation) {
    let expected = editPlainly(bytes)
    for pieces in [[bytes], bytes.map { [$0] }, cut(bytes)] {
        var removal = ChannelBindingRemoval()
        var (output, input): ([UInt8], Int) = ([], 0)
        for piece in pieces {
            output += removal.edit(piece.span)
            input += piece.count
            // The edit itself makes it shorter.
            let shortfall = bytes.count - (expected.bytes.count + expected.heldCount)
            let held = input - output.count - (removal.isDone ? shortfall : 0)
            try check(held <= longestMessage, "\(held) bytes are held of \(bytes)")
            try check(!removal.isDone || held == 0, "\(held) bytes are held for nothing of \(bytes)")
        }
        try check(output == expected.bytes, "\(bytes) in \(pieces.count) pieces: \(output), not \(expected.bytes)")
    }
}

/// - Returns: the output, and the number of bytes that wait for the rest of their message.
private func editPlainly(_ bytes: [UInt8]) -> (bytes: [UInt8], heldCount: Int) {
    var start = 0
    while start < bytes.count {
        let rest = bytes[start...]
        guard rest[start] == UInt8(ascii: "R") || rest[start] == UInt8(ascii: "v") else { break }
        guard let length = number(rest, at: 1) else { return (Array(bytes[..<start]), rest.count) }
        guard (4...longestMessage).contains(length) else { break }
        if rest[start] == UInt8(ascii: "R") {
            guard length >= 8 else { break }
            guard let request = number(rest, at: 5) else { return (Array(bytes[..<start]), rest.count) }
            guard request == 10 else { break }
        }
        guard rest.count > length else { return (Array(bytes[..<start]), rest.count) }
        if rest[start] == UInt8(ascii: "R") {
            let behind = rest.dropFirst(length + 1)
            return (Array(bytes[..<start]) + edited(rest.prefix(length + 1)) + Array(behind), 0)
        }
        start += length + 1
    }
    return (bytes, 0)
}

private func number(_ bytes: ArraySlice<UInt8>, at offset: Int) -> Int? {
    let field = bytes.dropFirst(offset).prefix(4)
    return field.count == 4 ? field.reduce(0) { $0 << 8 | Int($1) } : nil
}

/// The list as text, so that the code differs from the tested one.
private func edited(_ message: ArraySlice<UInt8>) -> [UInt8] {
    let names = message.dropFirst(9).split(separator: 0).map(Array.init)
    let left = names.filter { String(decoding: $0, as: UTF8.self) != "SCRAM-SHA-256-PLUS" }
    if left.isEmpty || left.count == names.count { return Array(message) }
    let body: [UInt8] = [0, 0, 0, 10] + left.flatMap { $0 + [0] } + [0]
    let length = body.count + 4
    let header: [UInt8] = [UInt8(ascii: "R"), 0, 0, UInt8(length >> 8), UInt8(length & 0xff)]
    return header + body
}
