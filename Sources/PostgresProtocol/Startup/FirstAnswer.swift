// The first answer of a server to a client that opens a session.

/// The first message after a StartupMessage.
package enum FirstAnswer: Equatable, Sendable {
    /// The message is not complete.
    case incomplete
    /// The server continues with the session.
    case welcome
    /// The server refuses the session with this SQLSTATE; empty where the message has none.
    case refusal(sqlState: String)
    /// The message is none that a server of protocol 3 sends.
    case unknown

    /// The longest error that libpq accepts (`MAX_ERRLEN`); anything longer is text of a server before 7.4.
    private static let longestError: UInt32 = 30_000

    /// - Parameter bytes: all bytes received so far.
    package init(parsing bytes: Span<UInt8>) {
        guard bytes.count > 0 else {
            self = .incomplete
            return
        }
        switch bytes[0] {
        case BackendKind.authentication, BackendKind.negotiateProtocolVersion: self = .welcome
        case BackendKind.errorResponse: self = Self.refusal(in: bytes)
        default: self = .unknown
        }
    }

    private static func refusal(in bytes: Span<UInt8>) -> FirstAnswer {
        guard let length = bytes.bigEndianUInt32(at: 1) else { return .incomplete }
        guard (4...longestError).contains(length) else { return .unknown }
        guard bytes.count > Int(length) else { return .incomplete }
        return .refusal(sqlState: ServerMessage(body: bytes.extracting(5..<Int(length) + 1)).sqlState)
    }
}
