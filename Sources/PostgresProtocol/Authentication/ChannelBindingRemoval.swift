// The one edit pgleash ever makes to what it relays. A server that is spoken to over TLS offers SCRAM-SHA-256-PLUS,
// which binds the login to the TLS connection; a client that isn't on TLS itself refuses a server that offers it.

/// Takes SCRAM-SHA-256-PLUS out of the mechanisms the server offers; everything else stays as it is.
package struct ChannelBindingRemoval: Sendable {
    /// Nothing more is to be edited: what comes now goes on as it is.
    package private(set) var isDone = false
    /// What has come of a message whose rest is needed.
    private var held: [UInt8] = []

    /// Longer than any list of mechanisms; libpq takes no more than 2000 bytes of an authentication message.
    private static let longestMessage: UInt32 = 2000
    /// AuthenticationSASL.
    static let offersMechanisms: UInt32 = 10
    static let mechanism: [UInt8] = Array("SCRAM-SHA-256-PLUS".utf8)

    package init() {}

    /// - Parameter bytes: of the server, from the start of its stream on.
    /// - Returns: what goes to the client now.
    package mutating func edit(_ bytes: Span<UInt8>) -> [UInt8] {
        held += bytes.copied()
        var ready: [UInt8] = []
        while !isDone, let message = takeMessage() { ready += message }
        guard isDone else { return ready }
        defer { held = [] }
        return ready + held
    }

    /// Takes the first message, edited if it has to be; nil when its rest is awaited, or when it is none to wait for.
    private mutating func takeMessage() -> [UInt8]? {
        guard let kind = held.first else { return nil }
        let isAuthentication = kind == BackendKind.authentication
        // The server may first say which version of the protocol it can do.
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

    /// - Parameter message: an AuthenticationSASL, whole.
    static func mechanisms(in message: [UInt8]) -> [ArraySlice<UInt8>] { message.dropFirst(9).split(separator: 0) }

    /// - Parameter message: an AuthenticationSASL: 9 bytes, then names, each with a zero behind it, and one more zero.
    private static func withoutChannelBinding(_ message: [UInt8]) -> [UInt8] {
        let names = mechanisms(in: message)
        let kept = names.filter { !$0.elementsEqual(mechanism) }
        // A client that is left without any will say so best itself.
        guard kept.count < names.count, !kept.isEmpty else { return message }
        let list: [UInt8] = kept.reduce(into: []) { $0 += $1 + [0] } + [0]
        var edited = [BackendKind.authentication]
        edited.appendBigEndian(UInt32(8 + list.count))
        edited.appendBigEndian(offersMechanisms)
        return edited + list
    }
}
