// The health of a process in each of its states, with workers that answer and one whose loop does not run.

import HTTP
import Logging
import Reactor
import Settings
import Telemetry
import TestSupport
import Testing

@testable import Proxy

@Suite struct `The health of pgleash` {
    /// The endpoints' loop, and workers of which one may be stuck.
    private final class World {
        let loop = LibeventLoop(receiveBufferSize: 4096)
        let state = ProcessState()
        let quota = Quota(1)
        let health: Health
        private let events = Mailbox<StatusEvent>()
        private let workers = [Mailbox<WorkerMessage>(), Mailbox()]
        private(set) var pings = 0

        init() throws {
            health = Health(on: loop, state, events)
            try events.open(on: loop) { [unowned self] event in
                if case .alive(let worker) = event { health.receive(aliveFrom: worker) }
            }
        }

        func begin(stuck: Int? = nil) throws {
            for (number, mailbox) in workers.enumerated() where number != stuck {
                try mailbox.open(on: loop) { [unowned self] message in
                    pings += 1
                    if case .ping(let reply) = message { reply() }
                }
            }
            let configuration = Configuration()
            let collector = MetricCollector(
                counters: [], configuration: configuration, security: .none, output: try LogOutput(.auto),
                startTime: .now, monitors: nil, logins: nil
            )
            health.began(
                StatusSources(
                    collector: collector, workers: workers, orphans: OrphanHistory(), listening: [], sessionQuota: quota
                )
            )
        }

        func liveness(within limit: Duration) -> HTTPStatus? {
            var status: HTTPStatus?
            health.liveness { [loop] in
                status = $0.status
                loop.stop()
            }
            if status == nil { loop.run(for: limit) }
            return status
        }

        func readiness() -> HTTPStatus? {
            var status: HTTPStatus?
            health.readiness(withServer: false) { status = $0.status }
            return status
        }
    }

    @Test func `is that of its workers`() throws {
        let world = try World()
        try world.begin()
        #expect(world.liveness(within: .seconds(1)) == .ok)
        #expect(world.pings == 2)
        #expect(world.liveness(within: .seconds(1)) == .ok)
        #expect(world.pings == 2, "the second request came at once")
    }

    @Test func `is bad within 3 seconds where the loop of one does not run`() throws {
        let world = try World()
        try world.begin(stuck: 1)
        let start = MonotonicTime.now
        #expect(world.liveness(within: .seconds(3)) == .unavailable)
        #expect(MonotonicTime.now.since(start) < .seconds(3))
    }

    @Test func `follows the phases of the process`() throws {
        let world = try World()
        #expect(world.health.startup.status == .unavailable && world.readiness() == .unavailable)
        #expect(world.liveness(within: .seconds(1)) == .ok && world.health.word == "starting")
        try world.begin()
        #expect(world.readiness() == .unavailable, "it does not accept clients yet")
        world.state.enter(.serving)
        #expect(world.health.startup.status == .ok && world.readiness() == .ok && world.health.word == "ready")
        #expect(world.quota.tryAcquire())
        #expect(world.readiness() == .unavailable && world.health.word == "full")
        world.quota.release()
        #expect(world.readiness() == .ok)
        world.state.enter(.stopping)
        #expect(world.health.startup.status == .ok && world.readiness() == .unavailable)
        #expect(world.liveness(within: .seconds(1)) == .ok && world.health.word == "stopping")
    }
}
