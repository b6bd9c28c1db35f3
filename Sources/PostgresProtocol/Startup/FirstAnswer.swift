// What a server says first to a client that opens a session: enough to know whether it takes sessions at all.

/// The first message behind a StartupMessage.
package enum FirstAnswer: Equatable, Sendable {
    /// More has to come.
    case incomplete
    /// The server goes on with the session.
    case welcome
    /// The server refuses it, with this SQLSTATE; empty where the message has none.
    case refusal(sqlState: String)
    /// No server of protocol 3 says this.
    case unknown

    /// The longest error libpq takes for one (`MAX_ERRLEN`); what is longer is text of a server before 7.4.
    private static let longestError: UInt32 = 30_000

    /// - Parameter bytes: all that has come.
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
