// How a client went away, and how a session ends that this happens to while it is idle.

/// How a client went away. The raw value is the label in the metrics and the word in the log.
package enum DropKind: String, CaseIterable, Sendable {
    /// The end of its stream, without Terminate.
    case fin
    case reset
    /// Terminate, then the end of its stream.
    case terminate
    /// Nothing more was heard of its host.
    case timeout
    /// It is still there, but what it sends makes no sense.
    case protocolError = "protocol_error"
    /// It is still there: pgleash itself stops.
    case shutdown
    /// It is still there: the connection to its server broke.
    case serverLost = "server_lost"
}

extension DropKind {
    /// The client has not gone: it is pgleash that ends the session, and says why.
    package var leavesClient: Bool { self == .protocolError || self == .shutdown || self == .serverLost }

    /// How a session ends that this happens to while nothing is owed.
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
