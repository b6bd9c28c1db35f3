// The sessions of all workers, copied together with the metrics of that moment.

import Reactor
import Telemetry

/// What the endpoints show, at one time.
final class ProcessSnapshot {
    let sources: StatusSources
    let time = WallTime.now
    /// In the order of `SessionSnapshot.isListedBefore`.
    let sessions: [SessionSnapshot]
    /// The number of workers whose sessions are there.
    let answering: Int

    init(_ sources: StatusSources, _ sessions: [SessionSnapshot], answering: Int) {
        self.sources = sources
        self.sessions = sessions.sorted(by: SessionSnapshot.isListedBefore)
        self.answering = answering
    }

    /// Made once, as the system takes milliseconds to count many descriptors. The counters are read when the metrics
    /// are written.
    private(set) lazy var metrics: MetricSources = sources.collector.sources(sessions, answering: answering)
}

/// Collects the sessions, at most a few times a second, however many requests there are.
final class LiveSessions {
    /// Short enough for the page and for a scrape, which both take seconds.
    private static let freshness = Duration.milliseconds(250)
    private static let timeout = Duration.seconds(1)

    private let survey: Survey<[SessionSnapshot], ProcessSnapshot>

    init(on loop: any EventLoop, _ sources: StatusSources, _ events: Mailbox<StatusEvent>) {
        let workers = sources.workers
        survey = Survey(
            of: workers.count, on: loop, within: Self.timeout, freshFor: Self.freshness,
            ask: { number in
                workers[number].post(.report { events.post(.sessions(worker: number, $0)) })
            },
            summarize: { answers, missing in
                ProcessSnapshot(sources, Array(answers.joined()), answering: workers.count - missing)
            }
        )
    }

    func collect(_ completion: @escaping (ProcessSnapshot) -> Void) { survey.request(completion) }

    func receive(_ sessions: [SessionSnapshot], from worker: Int) { survey.receive(sessions, from: worker) }
}
