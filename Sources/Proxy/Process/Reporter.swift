// The reporter answers SIGUSR1: it collects the sessions of the workers and writes the report, one at a time.

import Logging
import Reactor
import Telemetry

/// The steps from a request for a report to the report, on the supervisor's thread except for the writing.
package final class Reporter {
    private let collector: MetricCollector
    private let workers: WorkerPool
    private let orphans: OrphanHistory
    private let events: Mailbox<SupervisorEvent>
    private let log: Logger
    private var sessions: [SessionSnapshot] = []
    /// The number of workers that have not replied.
    private var missing = 0
    /// Another report was requested while one was under way.
    private var isWantedAgain = false

    /// A report is under way.
    private(set) var isBusy = false

    /// - Parameter events: receives the workers' replies, and an event when a report is written.
    init(
        _ collector: MetricCollector, _ workers: WorkerPool, _ orphans: OrphanHistory,
        _ events: Mailbox<SupervisorEvent>, log: Logger
    ) {
        self.collector = collector
        self.workers = workers
        self.orphans = orphans
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
        let (sessions, orphans, answering) = (sessions, orphans, workers.count)
        let (file, collector, log, events) = (collector.configuration.metricsFile, collector, log, events)
        // A separate thread, as many sessions take a while, and a file may be slow.
        do throws(SystemError) {
            try startThread(named: "report") {
                do throws(ReplacementError) {
                    let metrics = collector.sources(sessions, answering: answering)
                    let text = Report(metrics: metrics, sessions: sessions, orphans: orphans.all).text
                    if let file {
                        try ReplaceableFile(at: file).replace(with: text)
                    } else {
                        collector.output.write(report: text)
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
