// How the reaping of an orphan ended.

/// How the reaping of an orphan ended. The raw value is the label in the metrics and the word in the log.
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
    package var isConfirmed: Bool {
        switch self {
        case .cancelled, .finished, .serverClosed: true
        case .noKey, .excluded, .gaveUp, .unconfirmed: false
        }
    }
}
