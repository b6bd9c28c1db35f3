// The names of what happens to sessions. Each raw value is the label in the metrics and the word in the log.

/// How a client went away.
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

/// How the reaping of an orphan ended.
package enum Outcome: String, CaseIterable, Sendable {
    /// A cancel was sent, an error came, and the server owes nothing any more.
    case cancelled
    /// The server owes nothing any more: what it ran ended by itself, or a cancel could not undo it any more.
    case finished
    /// The server ended the session.
    case serverClosed = "server_closed"
    /// The server never gave a cancel key.
    case noKey = "no_key"
    /// Nothing was to be cancelled: the operator or the client itself has said so.
    case excluded
    /// `[cancel] timeout` passed while the server still owed something.
    case gaveUp = "gave_up"
    /// The connection to the server broke, so that nobody knows what became of it. Cancels were sent by other ones.
    case unconfirmed
}

extension Outcome {
    /// Nothing of the client's runs any more, as far as can be known.
    var isConfirmed: Bool {
        switch self {
        case .cancelled, .finished, .serverClosed: true
        case .noKey, .excluded, .gaveUp, .unconfirmed: false
        }
    }
}

/// Why a session ended.
package enum EndReason: String, CaseIterable, Sendable {
    /// Terminate, while nothing was owed or until all was answered.
    case clientTerminated = "client_terminated"
    /// The end of the client's stream while nothing was owed.
    case clientClosed = "client_closed"
    case clientReset = "client_reset"
    case clientTimedOut = "client_timed_out"
    /// The client left while something was owed; see `Outcome`.
    case reaped
    case serverClosed = "server_closed"
    case serverUnreachable = "server_unreachable"
    /// The client's first packet, or a message of either side, made no sense.
    case protocolError = "protocol_error"
    /// The client wanted TLS, and there was no agreement.
    case sslFailed = "ssl_failed"
    /// `[listen] sslmode` is `require`, and the client spoke in clear text.
    case sslRequired = "ssl_required"
    case authenticationTimeout = "authentication_timeout"
    case tooManyClients = "too_many_clients"
    case outOfDescriptors = "out_of_descriptors"
    /// A client's CancelRequest, passed on.
    case cancelRelayed = "cancel_relayed"
    case shutdown
}

extension DropKind {
    /// The client has not gone: it is pgleash that ends the session, and says why.
    var leavesClient: Bool { self == .protocolError || self == .shutdown || self == .serverLost }

    /// How a session ends that this happens to while nothing is owed.
    var idleEnd: EndReason {
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
