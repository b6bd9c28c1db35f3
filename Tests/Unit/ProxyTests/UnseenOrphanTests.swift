// The cancels after the connection to the server broke.

import Reactor
import Simulation
import TestSupport
import Testing

@testable import PostgresProtocol
@testable import Settings

@Suite struct `What runs where the connection to the server broke` {
    private func lose(_ configuration: Configuration = Configuration(), isClientThere: Bool) throws -> SimulatedSession
    {
        let world = try SimulatedSession(configuration)
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        if isClientThere {
            server.error = SystemError(104)
            world.loop.settle()
            let message = FatalError(.connectionFailure, "server closed the connection unexpectedly")
            #expect(client.takeOutbox() == message.bytes)
            client.isEnded = true
        } else {
            client.isEnded = true
            world.loop.settle()
            server.error = SystemError(104)
        }
        world.loop.settle()
        return world
    }

    /// Delivers each cancel as it comes.
    private func endCancels(of world: SimulatedSession, during time: Duration) {
        let end = world.loop.now.advanced(by: time)
        while world.loop.now < end {
            for cancel in world.cancels { cancel.isEnded = true }
            world.loop.settle()
            world.loop.advance(by: .milliseconds(20))
        }
    }

    @Test(arguments: [true, false]) func `is cancelled by other connections, a few times`(_ isThere: Bool) throws {
        let world = try lose(isClientThere: isThere)
        #expect(world.cancels.count == 1 && world.cancels[0].takeOutbox() == Bytes.cancelRequest)
        #expect(world.counters.orphansActive.value == 1)
        #expect(world.counters.drops[isThere ? .serverLost : .fin].value == 1)
        endCancels(of: world, during: .milliseconds(200))
        #expect(world.cancels.count == 2)
        endCancels(of: world, during: .seconds(31))
        #expect((5...6).contains(world.cancels.count))
        #expect(world.outcomes(.unconfirmed) == 1 && world.isOverAndBalanced)
        #expect(world.counters.reapTime.counts.allSatisfy { $0.value == 0 }, "nobody knows when it stopped")
    }

    @Test func `ends in time where the server can't be reached`() throws {
        let world = try lose(isClientThere: true)
        world.loop.network = .refuses
        world.loop.advance(by: .seconds(31))
        #expect(world.outcomes(.unconfirmed) == 1 && world.isOverAndBalanced)
    }

    @Test func `ends in time where a cancel hangs`() throws {
        var configuration = Configuration()
        configuration.cancel.timeout = .seconds(2)
        let world = try lose(configuration, isClientThere: true)
        world.loop.advance(by: .milliseconds(1999))
        #expect(world.outcomes(.unconfirmed) == 0)
        world.loop.advance(by: .milliseconds(2))
        #expect(world.outcomes(.unconfirmed) == 1)
    }

    @Test func `gets one cancel before pgleash stops`() throws {
        var configuration = Configuration()
        configuration.cancel.grace = .seconds(5)
        let world = try lose(configuration, isClientThere: true)
        #expect(world.cancels.isEmpty, "the grace is for what runs")
        let drained = Locked(false)
        world.worker.receive(.drain { drained.withLock { $0 = true } })
        world.loop.settle()
        #expect(world.cancels.count == 1 && !drained.withLock { $0 })
        world.cancels[0].isEnded = true
        world.loop.settle()
        #expect(drained.withLock { $0 } && world.outcomes(.unconfirmed) == 1)
    }

    @Test func `is not cancelled where that could hit a commit`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += message("Q", Array("COMMIT\0".utf8))
        world.loop.settle()
        server.error = SystemError(104)
        world.loop.settle()
        client.isEnded = true
        world.loop.advance(by: .seconds(31))
        #expect(world.cancels.isEmpty && world.outcomes(.unconfirmed) == 1 && world.isOverAndBalanced)
    }

    @Test(arguments: ["C57P02", "C57P01\0Rquickdie"])
    func `has ended where the server said so`(_ fields: String) throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        let farewell = message("N", Array("SWARNING\0VWARNING\0\(fields)\0\0".utf8))
        server.inbox += farewell
        server.isEnded = true
        world.loop.settle()
        #expect(client.takeOutbox() == farewell)
        client.isEnded = true
        world.loop.advance(by: .seconds(31))
        #expect(world.cancels.isEmpty && world.isOverAndBalanced && world.ended(.serverClosed) == 1)
    }
}
