// The output of log lines to standard error: a separate thread writes them, so that a slow reader delays neither a
// session nor a cancel.

import Logging
import Reactor
import Settings
import Telemetry

/// The destination of the process's log.
package final class LogOutput: Sendable {
    private struct State {
        var buffer = LogBuffer()
        /// Lines were taken from the buffer and are not written yet.
        var isWriting = false
    }

    private struct Descriptor {
        /// The last write ended within a line, as on a full disk.
        var isWithinLine = false

        /// - Returns: the number of lines that are lost.
        mutating func write(_ text: String) -> Int {
            let text = (isWithinLine ? "\n" : "") + text
            let lost = writeToStandardError(text)
            if let last = text.utf8.dropLast(lost.count).last { isWithinLine = last != UInt8(ascii: "\n") }
            return lost.count { $0 == UInt8(ascii: "\n") }
        }
    }

    /// The size of most writes, in bytes.
    private static let writeSize = 64 * 1024

    private static let flushTimeout = Duration.milliseconds(500)

    private let layout: LogLayout
    private let state = Awaited(State())
    /// Prevents lines and reports from being mixed.
    private let descriptor = Locked(Descriptor())

    /// - Throws: `StartError` where the thread cannot be started.
    package init(_ format: LogFormat) throws(StartError) {
        layout = LogLayout(format)
        do throws(SystemError) {
            try startThread(named: "log") { [self] in
                while true { writeNext() }
            }
        } catch {
            throw StartError(description: "could not start the thread of the log: \(error)")
        }
    }

    /// Makes all loggers of the process write here.
    package func bootstrap() {
        LoggingSystem.bootstrap { _ in LineHandler(output: self) }
    }

    /// The number of lines that were lost because they were not read in time.
    var droppedCount: Int64 { state.read(\.buffer.droppedCount) }

    func write(_ record: LogRecord) {
        let line = layout.line(record)
        state.change { $0.buffer.append(line, record.level) }
    }

    /// Writes text that is not a log line, and waits for its reader.
    func write(report text: String) {
        descriptor.withLock { _ = $0.write(text) }
    }

    /// Waits for a limited time until all lines are written; the process is about to end.
    package func flush() {
        state.wait(within: Self.flushTimeout) { $0.buffer.isEmpty && !$0.isWriting }
    }

    private func writeNext() {
        let (text, dropped) = state.change(once: { !$0.buffer.isEmpty }) { state in
            state.isWriting = true
            return state.buffer.take(Self.writeSize)
        }
        let notice = dropped > 0 ? layout.line(Self.notice(of: dropped)) : ""
        let lost = descriptor.withLock { $0.write(notice + text) }
        state.change { state in
            state.isWriting = false
            state.buffer.noteLost(lost)
        }
    }

    private static func notice(of dropped: Int) -> LogRecord {
        let fields = [LogField("lines", .integer(Int64(dropped)))]
        return LogRecord(
            time: "\(WallTime.now)", level: .warning, message: "log lines dropped: they were not read in time",
            fields: fields
        )
    }
}

extension LogLayout {
    fileprivate init(_ format: LogFormat) {
        switch (format, StandardError.kind) {
        case (.text, _), (.auto, .terminal): self = .text
        case (.journal, _), (.auto, .journal): self = .journal
        case (.logfmt, _), (.auto, .other): self = .logfmt
        case (.json, _): self = .json
        }
    }
}

/// The handler between swift-log and the output.
private struct LineHandler: LogHandler {
    let output: LogOutput
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let metadata = self.metadata.merging(event.metadata ?? [:]) { $1 }
        output.write(
            LogRecord(
                time: "\(WallTime.now)", level: event.level, message: "\(event.message)",
                fields: LogField.fields(of: metadata)
            )
        )
    }
}
