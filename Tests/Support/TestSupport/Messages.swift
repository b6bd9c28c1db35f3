// Messages and packets of the protocol, byte by byte. Frontend has those of clients by their names.

/// `value` in network byte order.
package func int32(_ value: some BinaryInteger) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}

/// `value` in network byte order.
package func int16(_ value: some BinaryInteger) -> [UInt8] {
    [8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}

/// Text and the zero after it.
package func string(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }

/// A message with the correct length for its body.
package func message(_ kind: Character, _ body: [UInt8] = []) -> [UInt8] {
    header(kind, length: body.count + 4) + body
}

/// A message whose body is text and a zero.
package func message(_ kind: Character, _ text: String) -> [UInt8] { message(kind, string(text)) }

/// Only the header, for bodies that are announced and not sent.
package func header(_ kind: Character, length: some BinaryInteger) -> [UInt8] {
    [kind.asciiValue ?? 0] + int32(length)
}

/// A startup packet with `code` and the bytes after it.
package func packet(code: UInt32, _ rest: [UInt8] = []) -> [UInt8] {
    int32(rest.count + 8) + int32(code) + rest
}

/// A version of the protocol as the code of a packet; other packets have codes of the same form.
package func version(_ major: UInt32, _ minor: UInt32) -> UInt32 { major << 16 | minor }

/// The parameters of a StartupMessage: pairs of strings, and the zero after the last.
package func parameters(_ pairs: [(String, String)]) -> [UInt8] {
    pairs.flatMap { string($0.0) + string($0.1) } + [0]
}
