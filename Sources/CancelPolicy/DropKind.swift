// The ways in which a client leaves, and the end of a session whose client leaves while it is idle.

/// The way in which a client left. The raw value is the label in the metrics and the value in the log.
package enum DropKind: String, CaseIterable, Sendable {
    /// The end of the client's stream, without Terminate.
    case fin
    case reset
    /// Terminate, then the end of the client's stream.
    case terminate
    /// The client's host did not respond.
    case timeout
    /// The client is connected and sent a malformed message.
    case protocolError = "protocol_error"
    /// The client is connected; pgleash shuts down.
    case shutdown
    /// The client is connected; the connection to its server broke.
    case serverLost = "server_lost"
}

extension DropKind {
    /// The client is still connected: pgleash ends the session and sends the reason.
    package var leavesClient: Bool { self == .protocolError || self == .shutdown || self == .serverLost }

    /// The end of a session without outstanding requests.
    package var idleEnd: EndReason {
        switch self {
        case .fin: .clientClosed
        case .reset: .clientReset
        case .terminate: .clientTerminated
        case .timeout: .clientTimedOut
        case .protocolError: .protocolError
        case .shutdown: .shutdown
        case .serverLost: .serverClosed
        }
    }
}
