// The entrances of what comes from others: each takes any bytes and throws when a rule is broken. libFuzzer calls them
// with bytes it makes up, the tests with those in Corpus.

/// Something that must hold for all bytes.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// A client's first packet.
    case startup
    /// The message boundaries of both directions.
    case scanner
    /// What is owed, and what a drop leads to.
    case requests
    /// The configuration file.
    case configuration
    /// What a server says before it has let a client in.
    case channelBinding = "channel-binding"
    /// A TLS handshake and what follows it.
    case tls

    /// - Throws: the rule these bytes break. Whatever else is wrong traps.
    package func run(_ bytes: [UInt8]) throws(Violation) {
        switch self {
        case .startup: try fuzzStartup(bytes)
        case .scanner: try fuzzScanner(bytes)
        case .requests: try fuzzRequests(bytes)
        case .configuration: try fuzzConfiguration(bytes)
        case .channelBinding: try fuzzChannelBinding(bytes)
        case .tls: try fuzzTLS(bytes)
        }
    }
}

/// A rule, and who broke it.
package struct Violation: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Throws when `isKept` is false.
func check(_ isKept: Bool, _ rule: @autoclosure () -> String) throws(Violation) {
    if !isKept { throw Violation(rule()) }
}

/// Cuts bytes into pieces whose lengths depend on the bytes alone, so that a failure can be repeated.
func cut(_ bytes: [UInt8]) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    // Mixes as FNV-1a does.
    var mixed: UInt64 = bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    var rest = bytes[...]
    while !rest.isEmpty {
        mixed = (mixed ^ 0xff) &* 0x100_0000_01b3
        let piece = rest.prefix(1 + Int(mixed >> 60))
        pieces.append(Array(piece))
        rest = rest.dropFirst(piece.count)
    }
    return pieces
}
