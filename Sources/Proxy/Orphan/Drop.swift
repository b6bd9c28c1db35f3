// A drop, and the log's level, message and fields for its outcome.

import CancelPolicy
import Logging
import Reactor
import Telemetry

/// A client's drop in the middle of a query.
struct Drop {
    let kind: DropKind
    let time: MonotonicTime
    /// The age of the query at the drop; nil where it is not visible.
    let queryAge: Duration?
    /// The number of CancelRequests sent since.
    var cancelsSent: Int

    init(_ kind: DropKind, at time: MonotonicTime, afterQueryOf queryAge: Duration?, cancelsSent: Int = 0) {
        (self.kind, self.time, self.queryAge, self.cancelsSent) = (kind, time, queryAge, cancelsSent)
    }

    /// The fields of a log line about the outcome, without those of the session.
    ///
    /// - Parameter duration: from the drop to the outcome.
    func logMetadata(_ outcome: Outcome, after duration: Duration) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "drop": "\(kind.rawValue)",
            "reap_ms": .milliseconds(duration),
            "attempts": .number(cancelsSent),
            "outcome": "\(outcome.rawValue)",
        ]
        if let queryAge { metadata["query_ms"] = .milliseconds(queryAge) }
        return metadata
    }
}

extension Outcome {
    var logLevel: Logger.Level {
        switch self {
        case .cancelled, .finished, .serverClosed, .terminated, .excluded: .info
        case .noKey, .gaveUp, .unconfirmed, .unreachable: .warning
        }
    }

    var logMessage: Logger.Message {
        switch self {
        case .cancelled, .finished, .serverClosed, .terminated: "orphan reaped"
        case .excluded: "client dropped, session excluded: not cancelled"
        case .noKey: "giving up: server sent no cancel key, backend may still be running the query"
        case .gaveUp: "giving up: backend may still be running the query"
        case .unconfirmed: "connection to server lost: backend may still be running the query"
        case .unreachable: "giving up: no monitor could look for the backend, it may still be running the query"
        }
    }
}
