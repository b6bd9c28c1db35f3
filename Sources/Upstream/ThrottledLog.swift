// A log for lines that any client can cause.

import Logging
import Reactor
import Telemetry

/// Logs a limited number of lines per second, and within a second reports how many more there were.
package final class ThrottledLog {
    /// The time from the first suppressed line to the report.
    private static let pause = Duration.seconds(1)

    private let loop: any EventLoop
    private let log: Logger
    private let source: String
    private var throttle = LogThrottle()
    /// The most severe level of the suppressed lines.
    private var level = Logger.Level.trace
    private var timer: (any ScheduledTimer)?

    /// - Parameter source: the module that logs.
    package init(_ log: Logger, on loop: any EventLoop, source: String) {
        (self.log, self.loop, self.source) = (log, loop, source)
    }

    /// Called on the loop's thread.
    package func log(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        if throttle.admit(at: loop.now.sinceBeginning) {
            return log.log(level: level, message, metadata: metadata, source: source)
        }
        self.level = max(self.level, level)
        if timer == nil { timer = loop.schedule(after: Self.pause) { [unowned self] in logSuppressed() } }
    }

    /// Logs the number of suppressed lines. Also called before the loop ends.
    package func logSuppressed() {
        timer = nil
        let count = throttle.takeSuppressed()
        if count > 0 {
            log.log(level: level, "log lines suppressed", metadata: ["lines": .number(count)], source: source)
        }
        level = .trace
    }
}
