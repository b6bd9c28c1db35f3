// The outcomes of reaping an orphan.

/// The outcome of reaping an orphan. The raw value is the label in the metrics and the value in the log.
package enum Outcome: String, CaseIterable, Sendable {
    /// A cancel was sent, an error arrived, and no request is outstanding.
    case cancelled
    /// No request is outstanding: the statement ended by itself, or a cancel could no longer undo it.
    case finished
    /// The server ended the session.
    case serverClosed = "server_closed"
    /// The monitor ended the backend.
    case terminated
    /// The server sent no cancel key.
    case noKey = "no_key"
    /// The session is excluded from cancelling, by the operator or by the client itself.
    case excluded
    /// `[cancel] timeout` passed while requests were outstanding.
    case gaveUp = "gave_up"
    /// The connection to the server ended, and nothing shows that the statement did.
    case unconfirmed
    /// TLS is passed through, and no monitor could look for the backend.
    case unreachable
}

extension Outcome {
    /// No request of the client runs any more, as far as can be known.
    package var isConfirmed: Bool {
        switch self {
        case .cancelled, .finished, .serverClosed, .terminated: true
        case .noKey, .excluded, .gaveUp, .unconfirmed, .unreachable: false
        }
    }
}
