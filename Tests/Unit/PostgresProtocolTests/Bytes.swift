// Building blocks of the tests: messages by their type and body, packets by their fields, random numbers from a seed.

/// `value` in network byte order.
func bigEndian(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}

/// A message with the length that belongs to its body.
func message(_ kind: Character, _ body: [UInt8] = []) -> [UInt8] {
    [kind.asciiValue ?? 0] + bigEndian(UInt32(body.count + 4)) + body
}

/// A message whose body is text and a zero.
func message(_ kind: Character, _ text: String) -> [UInt8] {
    message(kind, Array(text.utf8) + [0])
}

/// The header alone, for bodies that are announced and not sent.
func header(_ kind: Character, length: UInt32) -> [UInt8] {
    [kind.asciiValue ?? 0] + bigEndian(length)
}

/// A start-up packet with `code` and what follows it.
func packet(code: UInt32, _ rest: [UInt8] = []) -> [UInt8] {
    bigEndian(UInt32(rest.count + 8)) + bigEndian(code) + rest
}

/// The protocol version of a StartupMessage.
func version(_ major: UInt32, _ minor: UInt32) -> UInt32 { major << 16 | minor }

/// Pairs of strings, each with its zero, and the zero behind the last.
func parameters(_ pairs: [(String, String)]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (name, value) in pairs {
        bytes += name.utf8
        bytes.append(0)
        bytes += value.utf8
        bytes.append(0)
    }
    bytes.append(0)
    return bytes
}

/// SplitMix64: the same numbers for the same seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// `count` bytes of noise, eight to a number.
    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            let word = next()
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return Array(bytes.prefix(count))
    }
}
