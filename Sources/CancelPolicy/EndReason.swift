// Why a session ended.

/// Why a session ended. The raw value is the label in the metrics and the word in the log.
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
