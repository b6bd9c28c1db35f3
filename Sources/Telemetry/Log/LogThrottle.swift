// A limit on log lines that any client can cause, so that none can fill the log.

import Logging

/// Lets so many lines a second through and counts the others.
package struct LogThrottle {
    /// Lines a second; enough to see what is going on, too few to fill a disk overnight.
    static let linesPerSecond = 10

    private var second: Int64 = 0
    private var lines = 0
    /// Lines that were not let through, and that nothing was said about.
    package private(set) var suppressed = 0

    package init() {}

    /// - Parameter now: since any one time.
    /// - Returns: whether a line may be written now.
    package mutating func admit(at now: Duration) -> Bool {
        if second != now.components.seconds {
            second = now.components.seconds
            lines = 0
        }
        lines += 1
        if lines > Self.linesPerSecond { suppressed += 1 }
        return lines <= Self.linesPerSecond
    }

    /// How many lines were not let through since the last call.
    package mutating func takeSuppressed() -> Int {
        defer { suppressed = 0 }
        return suppressed
    }
}
