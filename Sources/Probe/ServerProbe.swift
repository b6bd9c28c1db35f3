// Asks whether a PostgreSQL server takes connections, through libpq's PQping.

import CLibpq

/// What PQping found out; the raw values are pg_isready's exit codes.
package enum ServerStatus: Int32, Sendable {
    case accepting = 0
    /// It is there, but starts up, stops or recovers.
    case rejecting = 1
    case noResponse = 2
    /// The parameters made no sense, so nothing was tried.
    case notAttempted = 3
}

extension ServerStatus: CustomStringConvertible {
    /// In pg_isready's words.
    package var description: String {
        switch self {
        case .accepting: "accepting connections"
        case .rejecting: "rejecting connections"
        case .noResponse: "no response"
        case .notAttempted: "no attempt"
        }
    }
}

/// Asks the server at `host` and `port`; no login is needed. Blocks, `timeout` seconds at most for each address.
///
/// - Parameter host: an address, a name or a socket directory.
package func probeServer(host: String, port: UInt16, timeout: Int) -> ServerStatus {
    let quotedHost = host.replacingQuotes()
    let parameters =
        "host='\(quotedHost)' port=\(port) connect_timeout=\(timeout) user=postgres dbname=postgres"
        + " application_name=pgleash sslmode=prefer"
    switch unsafe PQping(parameters) {
    case PQPING_OK: return .accepting
    case PQPING_REJECT: return .rejecting
    case PQPING_NO_RESPONSE: return .noResponse
    default: return .notAttempted
    }
}

extension String {
    /// As a connection string wants it between single quotes.
    fileprivate func replacingQuotes() -> String {
        reduce(into: "") { result, character in
            if character == "'" || character == "\\" { result.append("\\") }
            result.append(character)
        }
    }
}
