// Keeps what strangers can cause from filling the log.

import Logging

/// Lets so many lines a second through and counts the others.
package struct LogThrottle {
    /// Lines a second; enough to see what is going on, too few to fill a disk overnight.
    static let linesPerSecond = 10

    private var second: Int64 = 0
    private var lines = 0
    private var suppressed = 0

    package init() {}

    /// Logs what others can cause as often as they like; the next line that is let through says how many were not.
    ///
    /// - Parameters:
    ///   - now: since any one time.
    ///   - source: the module that logs.
    package mutating func log(
        _ level: Logger.Level,
        _ message: Logger.Message,
        _ metadata: Logger.Metadata,
        to log: Logger,
        at now: Duration,
        source: String
    ) {
        let (isAdmitted, suppressed) = admit(at: now)
        guard isAdmitted else { return }
        var metadata = metadata
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        log.log(level: level, message, metadata: metadata, source: source)
    }

    /// Whether a line may be written now, and how many were not since the last that was.
    package mutating func admit(at now: Duration) -> (isAdmitted: Bool, suppressed: Int) {
        if second != now.components.seconds {
            second = now.components.seconds
            lines = 0
        }
        lines += 1
        guard lines <= Self.linesPerSecond else {
            suppressed += 1
            return (false, 0)
        }
        defer { suppressed = 0 }
        return (true, suppressed)
    }
}
