// A response, and the header fields that all responses have.

/// A complete response.
package struct HTTPResponse: Sendable {
    package let status: HTTPStatus
    package let contentType: String
    package let body: [UInt8]
    /// The Content-Security-Policy.
    package let policy: String

    /// A document that loads nothing and runs nothing.
    package static let strictPolicy: String = "default-src 'none'; frame-ancestors 'none'"

    package init(
        _ status: HTTPStatus = .ok, contentType: String, policy: String = strictPolicy, body: [UInt8]
    ) {
        (self.status, self.contentType, self.policy, self.body) = (status, contentType, policy, body)
    }

    /// One line of plain text.
    package static func line(_ status: HTTPStatus, _ text: String) -> HTTPResponse {
        HTTPResponse(status, contentType: "text/plain; charset=utf-8", body: Array("\(text)\n".utf8))
    }

    /// The fields, without the length of the body.
    var fields: [(name: String, value: String)] {
        let allow = status == .methodNotAllowed ? [("Allow", "GET, HEAD")] : []
        return allow + [
            ("Content-Type", contentType),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", policy),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ]
    }
}

/// The statuses in use.
package enum HTTPStatus: Int32, Sendable {
    case ok = 200
    case badRequest = 400
    case notFound = 404
    case methodNotAllowed = 405
    case misdirected = 421
    case internalError = 500
    case unavailable = 503

    var reason: String {
        switch self {
        case .ok: "OK"
        case .badRequest: "Bad Request"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .misdirected: "Misdirected Request"
        case .internalError: "Internal Server Error"
        case .unavailable: "Service Unavailable"
        }
    }
}
