// The reasons for the end of a session.

/// The reason why a session ended. The raw value is the label in the metrics and the value in the log.
package enum EndReason: String, CaseIterable, Sendable {
    /// Terminate, with no outstanding request, or after the last reply.
    case clientTerminated = "client_terminated"
    /// The end of the client's stream with no outstanding request.
    case clientClosed = "client_closed"
    case clientReset = "client_reset"
    case clientTimedOut = "client_timed_out"
    /// The client left while requests were outstanding; see `Outcome`.
    case reaped
    case serverClosed = "server_closed"
    case serverUnreachable = "server_unreachable"
    /// The client's first packet, or a message of either side, was malformed.
    case protocolError = "protocol_error"
    /// The TLS handshake with the client failed.
    case sslFailed = "ssl_failed"
    /// `[listen] sslmode` is `require`, and the client did not use TLS.
    case sslRequired = "ssl_required"
    case authenticationTimeout = "authentication_timeout"
    case tooManyClients = "too_many_clients"
    case outOfDescriptors = "out_of_descriptors"
    /// A client's CancelRequest was relayed.
    case cancelRelayed = "cancel_relayed"
    case shutdown
}
