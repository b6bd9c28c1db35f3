// What is known of a drop, and how the log tells of its outcome.

import CancelPolicy
import Logging
import Reactor
import Telemetry

/// A client's drop in the middle of a query.
struct Drop {
    let kind: DropKind
    let time: MonotonicTime
    /// For how long the query had run then.
    let queryAge: Duration
    /// CancelRequests sent since.
    let cancelsSent: Int

    init(_ kind: DropKind, at time: MonotonicTime, afterQueryOf queryAge: Duration, cancelsSent: Int = 0) {
        (self.kind, self.time, self.queryAge, self.cancelsSent) = (kind, time, queryAge, cancelsSent)
    }

    /// What a line about the outcome says beside whose drop it was.
    ///
    /// - Parameters:
    ///   - duration: from the drop to the outcome.
    ///   - cancelsSent: where more were sent than is known here.
    func logMetadata(_ outcome: Outcome, after duration: Duration, cancelsSent: Int? = nil) -> Logger.Metadata {
        [
            "drop": "\(kind.rawValue)",
            "query_ms": .milliseconds(queryAge),
            "reap_ms": .milliseconds(duration),
            "attempts": .number(cancelsSent ?? self.cancelsSent),
            "outcome": "\(outcome.rawValue)",
        ]
    }
}

extension Outcome {
    var logLevel: Logger.Level {
        switch self {
        case .cancelled, .finished, .serverClosed, .excluded: .info
        case .noKey, .gaveUp, .unconfirmed: .warning
        }
    }

    var logMessage: Logger.Message {
        switch self {
        case .cancelled, .finished, .serverClosed: "orphan reaped"
        case .excluded: "client dropped, session excluded: query left running"
        case .noKey: "giving up: server sent no cancel key, backend may still be running the query"
        case .gaveUp: "giving up: backend may still be running the query"
        case .unconfirmed: "connection to server lost: backend may still be running the query"
        }
    }
}
