// The messages that pgleash itself sends: a fatal error in place of a session, and answers to encryption requests.

/// The error codes pgleash uses, from PostgreSQL's appendix "PostgreSQL Error Codes".
package enum SQLState: String, Sendable {
    case connectionFailure = "08006"
    case protocolViolation = "08P01"
    case featureNotSupported = "0A000"
    case invalidAuthorizationSpecification = "28000"
    case tooManyConnections = "53300"
    case adminShutdown = "57P01"
    /// libpq tries its next host, and pg_isready says "rejecting connections".
    case cannotConnectNow = "57P03"
}

/// An ErrorResponse of severity FATAL: the session ends after it.
package struct FatalError: Equatable, Sendable {
    package let sqlState: SQLState
    package let message: String
    /// More information, such as that pgleash sent the error.
    package let detail: String?

    package init(_ sqlState: SQLState, _ message: String, detail: String? = nil) {
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
    }

    /// The error for a client whose session pgleash ends because it shuts down.
    package static let shutdown = FatalError(
        .adminShutdown, "terminating connection due to administrator command", detail: "pgleash is shutting down."
    )

    /// The message in the wire format: severity twice (localised and not), code, text, detail.
    package var bytes: [UInt8] {
        var body: [UInt8] = []
        let fields = [("S", "FATAL"), ("V", "FATAL"), ("C", sqlState.rawValue), ("M", message), ("D", detail ?? "")]
        for (field, value) in fields where !value.isEmpty {
            body += field.utf8
            body += value.utf8.filter { $0 != 0 }
            body.append(0)
        }
        body.append(0)
        var packet = [BackendKind.errorResponse]
        packet.appendBigEndian(UInt32(body.count + 4))
        return packet + body
    }
}

/// The answer to SSLRequest: TLS follows.
package let encryptionAccepted: [UInt8] = [UInt8(ascii: "S")]

/// The answer to SSLRequest and GSSENCRequest: the connection stays unencrypted.
package let encryptionRefused: [UInt8] = [UInt8(ascii: "N")]
