// The answers to health probes: whether pgleash has started, whether it works, and whether it takes clients.

import HTTP
import Reactor
import Upstream

/// The health of the process.
final class Health {
    /// The time in which each worker must answer. With the time of the request itself it is less than 3 s.
    private static let liveTimeout = Duration.seconds(2)
    /// The shortest time between two questions to the workers.
    private static let liveFreshness = Duration.milliseconds(100)
    /// The time for the servers, all together.
    private static let serverTimeout = Duration.seconds(2)
    /// The shortest time between two probes of the servers.
    private static let serverFreshness = Duration.seconds(1)

    private let loop: any EventLoop
    private let state: ProcessState
    private let events: Mailbox<StatusEvent>
    private var sources: StatusSources?
    /// Summarized as the number of workers that did not answer.
    private var workers: Survey<Void, Int>?
    private var servers: Survey<Bool, Bool>?

    init(on loop: any EventLoop, _ state: ProcessState, _ events: Mailbox<StatusEvent>) {
        (self.loop, self.state, self.events) = (loop, state, events)
    }

    /// The workers run.
    func began(_ sources: StatusSources) {
        self.sources = sources
        let (events, mailboxes) = (events, sources.workers)
        workers = Survey(
            of: mailboxes.count, on: loop, within: Self.liveTimeout, freshFor: Self.liveFreshness,
            ask: { number in mailboxes[number].post(.ping { events.post(.alive(worker: number)) }) },
            summarize: { $1 }
        )
        let (endpoints, security) = (sources.collector.configuration.server.endpoints, sources.collector.security)
        servers = Survey(
            of: 1, on: loop, within: Self.serverTimeout, freshFor: Self.serverFreshness,
            ask: { _ in Self.probe(endpoints, security, events) },
            summarize: { answers, _ in answers.first ?? false }
        )
    }

    func receive(aliveFrom worker: Int) { workers?.receive((), from: worker) }

    func receive(isServerAccepting: Bool) { servers?.receive(isServerAccepting, from: 0) }

    /// The state in one word.
    var word: String {
        switch state.phase {
        case .starting: "starting"
        case .stopping: "stopping"
        case .serving: isFull ? "full" : "ready"
        }
    }

    private var isFull: Bool { sources.map { !$0.sessionQuota.hasRoom(for: 1) } ?? false }

    var startup: HTTPResponse {
        state.phase == .starting ? .line(.unavailable, "starting") : .line(.ok, "started")
    }

    /// A restart would not help a process that is starting, so that counts as alive.
    func liveness(_ completion: @escaping (HTTPResponse) -> Void) {
        guard let workers else { return completion(.line(.ok, "starting")) }
        workers.request { missing in
            let reason = "\(missing) of the event loops did not answer"
            completion(missing == 0 ? .line(.ok, "alive") : .line(.unavailable, reason))
        }
    }

    /// An outage of the server makes pgleash unready only for those who ask for it: clients get an error that says
    /// more than a connection that is refused.
    func readiness(withServer: Bool, _ completion: @escaping (HTTPResponse) -> Void) {
        let reasons = ["starting": "starting", "stopping": "stopping", "full": "max_sessions is reached"]
        if let reason = reasons[word] { return completion(.line(.unavailable, reason)) }
        guard withServer, let servers else { return completion(.line(.ok, "ready")) }
        servers.request { isAccepting in
            completion(isAccepting ? .line(.ok, "ready") : .line(.unavailable, "no server accepts connections"))
        }
    }

    /// On a thread, as the time for a name resolution has no limit.
    private static func probe(_ servers: [Endpoint], _ security: Security, _ events: Mailbox<StatusEvent>) {
        do throws(SystemError) {
            try startThread(named: "probe") {
                let share = serverTimeout * 9 / 10 / max(servers.count, 1)
                events.post(.probed(servers.contains { $0.probe(security.server, within: share).isAccepting }))
            }
        } catch {
            events.post(.probed(false))
        }
    }
}
