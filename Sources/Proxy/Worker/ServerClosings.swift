// Sessions that the server ended, which a restart of it makes many: they leave one line in the log.

import Logging
import Reactor
import Telemetry

/// What all workers have seen since the last line about it.
final class ServerClosings: Sendable {
    private struct Seen {
        var count = 0
        /// Of the first.
        var metadata: Logger.Metadata = [:]
    }

    /// From the first to the line about all.
    static let pause = Duration.seconds(1)

    private let seen = Locked(Seen())

    /// - Parameter metadata: says whose session it was.
    /// - Returns: whether it is the first, whose worker is to tell.
    func note(_ metadata: Logger.Metadata) -> Bool {
        seen.withLock { seen in
            if seen.count == 0 { seen.metadata = metadata }
            seen.count += 1
            return seen.count == 1
        }
    }

    /// What the log is to say; nil where there were none since the last call.
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
