// Sessions that the server ended. A restart of the server ends many, and they are logged in one line.

import Logging
import Reactor
import Telemetry

/// The sessions of all workers since the last line.
final class ServerClosings: Sendable {
    private struct Seen {
        var count = 0
        /// The metadata of the first one.
        var metadata: Logger.Metadata = [:]
    }

    /// The time from the first one to the line about all.
    static let pause = Duration.seconds(1)

    private let seen = Locked(Seen())

    /// - Parameter metadata: that of the session.
    /// - Returns: whether it is the first, whose worker logs the line.
    func note(_ metadata: Logger.Metadata) -> Bool {
        seen.withLock { seen in
            if seen.count == 0 { seen.metadata = metadata }
            seen.count += 1
            return seen.count == 1
        }
    }

    /// The log line; nil where there were none since the last call.
    func take() -> (message: Logger.Message, metadata: Logger.Metadata)? {
        let seen = seen.withLock { seen in
            defer { seen = Seen() }
            return seen
        }
        switch seen.count {
        case 0: return nil
        case 1: return ("server closed the session", seen.metadata)
        default:
            let server = seen.metadata["server"].map { ["server": $0] } ?? [:]
            return ("server closed sessions", server.merging(["sessions": .number(seen.count)]) { $1 })
        }
    }
}
