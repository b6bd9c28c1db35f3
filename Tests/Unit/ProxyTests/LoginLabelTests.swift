// Which sessions and orphans get labels of their login: only those whose login the server has accepted.

import PostgresProtocol
import Reactor
import Settings
import Simulation
import Testing

@testable import Proxy
@testable import Telemetry

@Suite struct `The names of a client` {
    private func world() throws -> SimulatedSession {
        var configuration = Configuration()
        configuration.metricLabels = [.user]
        return try SimulatedSession(configuration)
    }

    /// The users that have samples, with their sessions and orphans.
    private func samples(_ world: SimulatedSession) throws -> [String] {
        let logins = try #require(world.worker.environment.logins)
        let sessions = Awaited<[SessionSnapshot]>([])
        world.worker.receive(.report { snapshots in sessions.change { $0 = snapshots } })
        world.loop.settle()
        return logins.readings(with: sessions.read { $0 }).map { login, reading in
            "\(login.user) \(reading.sessions) \(reading.orphans.values.reduce(0, +))"
        }
    }

    @Test func `are labels once the server has accepted its login`() throws {
        let world = try world()
        let client = world.accept()
        client.inbox += Bytes.startup
        world.loop.settle()
        #expect(try samples(world) == [])
        world.loop.connections[0].inbox += Bytes.login
        world.loop.settle()
        #expect(try samples(world) == ["app 1 0"])
        client.inbox += Bytes.query
        world.loop.settle()
        client.isEnded = true
        world.loop.settle()
        #expect(try samples(world) == ["app 0 0"])
        world.loop.connections[0].inbox += FatalError(.adminShutdown, "terminating").bytes
        world.loop.connections[0].isEnded = true
        world.loop.settle()
        #expect(try samples(world) == ["app 0 1"])
    }

    @Test func `are no labels where it leaves before that`() throws {
        let world = try world()
        let client = world.accept()
        client.inbox += Bytes.startup + Bytes.query
        world.loop.settle()
        client.isEnded = true
        world.loop.settle()
        #expect(world.counters.orphansActive.value == 1)
        world.loop.connections[0].isEnded = true
        world.loop.settle()
        #expect(world.counters.orphansActive.value == 0 && world.outcomes(.noKey) == 1)
        #expect(try samples(world) == [])
    }
}
