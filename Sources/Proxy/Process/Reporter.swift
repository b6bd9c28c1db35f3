// Answers SIGUSR1: asks the workers for their sessions and writes the report, one at a time.

import Logging
import Reactor
import Settings
import Telemetry

/// The way from a wish for a report to the report; on the supervisor's thread, but for the writing.
package final class Reporter {
    private let configuration: Configuration
    private let workers: WorkerPool
    private let counters: [Counters]
    private let orphans: OrphanHistory
    private let output: LogOutput
    private let events: Mailbox<SupervisorEvent>
    private let log: Logger
    private let startedAt = MonotonicTime.now
    private var sessions: [SessionSnapshot] = []
    /// Workers that have not answered.
    private var missing = 0
    /// Another was asked for while one was under way.
    private var isWantedAgain = false

    /// A report is under way.
    private(set) var isBusy = false

    /// - Parameters:
    ///   - counters: the supervisor's own.
    ///   - output: where the report goes when there is no file for it.
    ///   - events: where the workers' answers go, and the word that a report is written.
    init(
        _ configuration: Configuration,
        _ workers: WorkerPool,
        _ counters: Counters,
        _ orphans: OrphanHistory,
        _ events: Mailbox<SupervisorEvent>,
        _ output: LogOutput,
        log: Logger
    ) {
        (self.orphans, self.output) = (orphans, output)
        self.configuration = configuration
        self.workers = workers
        self.counters = [counters] + workers.counters
        self.events = events
        self.log = log
    }

    /// Somebody wants a report.
    func begin() {
        // One that is under way may have looked before this was asked for.
        guard !isBusy else { return isWantedAgain = true }
        (isBusy, sessions, missing) = (true, [], workers.count)
        workers.post(.report { [events] in events.post(.sessions($0)) })
    }

    /// A worker has answered.
    func collect(_ sessions: [SessionSnapshot]) {
        self.sessions += sessions
        missing -= 1
        if missing == 0 { write() }
    }

    private func write() {
        let metrics = MetricSources(
            counters: counters,
            version: pgleashVersion,
            uptimeSeconds: Int64(MonotonicTime.now.since(startedAt).seconds),
            maxSessions: Int64(configuration.listen.maxSessions),
            logLinesDropped: output.droppedCount
        )
        let (sessions, orphans) = (sessions, orphans.all)
        let (file, output, log, events) = (configuration.metricsFile, output, log, events)
        // On a thread of its own, as it takes a while with many sessions, and a file may be slow.
        do throws(SystemError) {
            try startThread(named: "report") {
                do throws(ReplacementError) {
                    let text = Report(metrics: metrics, sessions: sessions, orphans: orphans).text
                    if let file {
                        try ReplaceableFile(at: file).replace(with: text)
                    } else {
                        output.write(report: text)
                    }
                } catch {
                    Self.logFailure("\(error)", file, log)
                }
                events.post(.reported)
            }
        } catch {
            Self.logFailure("\(error)", file, log)
            events.post(.reported)
        }
    }

    private static func logFailure(_ reason: String, _ file: String?, _ log: Logger) {
        log.error("could not write the report", metadata: ["file": "\(file ?? "")", "reason": "\(reason)"])
    }

    /// The report is written, or can't be.
    func ended() {
        (isBusy, sessions) = (false, [])
        guard isWantedAgain else { return }
        isWantedAgain = false
        begin()
    }
}
