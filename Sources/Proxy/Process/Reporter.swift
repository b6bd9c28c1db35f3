// The reporter answers SIGUSR1: it collects the sessions of the workers and writes the report, one at a time.

import Logging
import Reactor
import Settings
import Telemetry
import Upstream

/// The steps from a request for a report to the report, on the supervisor's thread except for the writing.
package final class Reporter {
    private let configuration: Configuration
    private let workers: WorkerPool
    private let counters: [Counters]
    private let orphans: OrphanHistory
    private let monitors: Monitors?
    private let output: LogOutput
    private let events: Mailbox<SupervisorEvent>
    private let log: Logger
    private let startedAt = MonotonicTime.now
    private var sessions: [SessionSnapshot] = []
    /// The number of workers that have not replied.
    private var missing = 0
    /// Another report was requested while one was under way.
    private var isWantedAgain = false

    /// A report is under way.
    private(set) var isBusy = false

    /// - Parameters:
    ///   - counters: those of the supervisor.
    ///   - output: the destination of the report where no file is configured.
    ///   - events: receives the workers' replies, and an event when a report is written.
    init(
        _ configuration: Configuration,
        _ workers: WorkerPool,
        _ counters: Counters,
        _ environment: WorkerEnvironment,
        _ events: Mailbox<SupervisorEvent>,
        _ output: LogOutput,
        log: Logger
    ) {
        (orphans, monitors) = (environment.orphanHistory, environment.monitors)
        self.output = output
        self.configuration = configuration
        self.workers = workers
        self.counters = [counters] + workers.counters
        self.events = events
        self.log = log
    }

    /// Begins a report.
    func begin() {
        // The report under way may have been collected before this request.
        guard !isBusy else { return isWantedAgain = true }
        (isBusy, sessions, missing) = (true, [], workers.count)
        workers.post(.report { [events] in events.post(.sessions($0)) })
    }

    /// A worker has replied.
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
            logLinesDropped: output.droppedCount,
            monitorsConnected: Int64(monitors?.readyCount ?? 0)
        )
        let (sessions, orphans) = (sessions, orphans)
        let (file, output, log, events) = (configuration.metricsFile, output, log, events)
        // A separate thread, as many sessions take a while, and a file may be slow.
        do throws(SystemError) {
            try startThread(named: "report") {
                do throws(ReplacementError) {
                    let text = Report(metrics: metrics, sessions: sessions, orphans: orphans.all).text
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

    /// The report is written, or could not be.
    func ended() {
        (isBusy, sessions) = (false, [])
        guard isWantedAgain else { return }
        isWantedAgain = false
        begin()
    }
}
