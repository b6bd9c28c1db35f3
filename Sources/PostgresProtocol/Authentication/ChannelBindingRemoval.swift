// The only edit that pgleash makes to the bytes it relays. A server that is connected over TLS offers
// SCRAM-SHA-256-PLUS, which binds the login to the TLS connection. A client without TLS refuses a server that offers
// it.

/// Removes SCRAM-SHA-256-PLUS from the mechanisms that the server offers. All other bytes stay unchanged.
package struct ChannelBindingRemoval: Sendable {
    /// Nothing is left to edit: all further bytes are passed on unchanged.
    package private(set) var isDone = false
    /// The received part of a message whose rest is needed.
    private var held: [UInt8] = []

    /// The length limit of a message; a list of mechanisms is shorter. libpq takes no more than 2000 bytes of an
    /// authentication message.
    private static let longestMessage: UInt32 = 2000
    /// AuthenticationSASL.
    static let offersMechanisms: UInt32 = 10
    static let mechanism: [UInt8] = Array("SCRAM-SHA-256-PLUS".utf8)

    package init() {}

    /// - Parameter bytes: bytes of the server, beginning at the start of its stream.
    /// - Returns: the bytes to pass on to the client now.
    package mutating func edit(_ bytes: Span<UInt8>) -> [UInt8] {
        held += bytes.copied()
        var ready: [UInt8] = []
        while !isDone, let message = takeMessage() { ready += message }
        guard isDone else { return ready }
        defer { held = [] }
        return ready + held
    }

    /// Takes the first message, edited where necessary; nil when its rest has not arrived, or when no edit follows.
    private mutating func takeMessage() -> [UInt8]? {
        guard let kind = held.first else { return nil }
        let isAuthentication = kind == BackendKind.authentication
        // The server may first say which protocol version it supports.
        guard isAuthentication || kind == BackendKind.negotiateProtocolVersion else { return finish() }
        guard let length = held.span.bigEndianUInt32(at: 1) else { return nil }
        let shortest: UInt32 = isAuthentication ? 8 : 4
        guard (shortest...Self.longestMessage).contains(length) else { return finish() }
        if isAuthentication {
            guard let request = held.span.bigEndianUInt32(at: 5) else { return nil }
            guard request == Self.offersMechanisms else { return finish() }
        }
        let end = 1 + Int(length)
        guard held.count >= end else { return nil }
        let message = Array(held[..<end])
        held.removeFirst(end)
        guard isAuthentication else { return message }
        isDone = true
        return Self.withoutChannelBinding(message)
    }

    private mutating func finish() -> [UInt8]? {
        isDone = true
        return nil
    }

    /// - Parameter message: an AuthenticationSASL, complete.
    static func mechanisms(in message: [UInt8]) -> [ArraySlice<UInt8>] { message.dropFirst(9).split(separator: 0) }

    /// - Parameter message: an AuthenticationSASL: 9 bytes, then names that each end with a zero byte, and one more
    ///   zero byte.
    private static func withoutChannelBinding(_ message: [UInt8]) -> [UInt8] {
        let names = mechanisms(in: message)
        let kept = names.filter { !$0.elementsEqual(mechanism) }
        // A client without any usable mechanism reports this best itself.
        guard kept.count < names.count, !kept.isEmpty else { return message }
        let list: [UInt8] = kept.reduce(into: []) { $0 += $1 + [0] } + [0]
        var edited = [BackendKind.authentication]
        edited.appendBigEndian(UInt32(8 + list.count))
        edited.appendBigEndian(offersMechanisms)
        return edited + list
    }
}
