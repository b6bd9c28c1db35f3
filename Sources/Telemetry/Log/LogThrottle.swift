// A limit on log lines that any client can cause, so that none can fill the log.

import Logging

/// Admits a number of lines per second and counts the others.
package struct LogThrottle {
    /// The number of lines per second; enough for a diagnosis, too few to fill a disk overnight.
    static let linesPerSecond = 10

    private var second: Int64 = 0
    private var lines = 0
    /// The number of suppressed lines that were not reported.
    private var suppressed = 0

    package init() {}

    /// - Parameter now: the time since any fixed point.
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

    /// The number of suppressed lines since the last call.
    package mutating func takeSuppressed() -> Int {
        defer { suppressed = 0 }
        return suppressed
    }
}
