// Clients whose end follows bytes that are not read: their kernel is queried, once a second, and only then.

import Simulation
import TestSupport
import Testing

@testable import Settings

@Suite struct `The end of a client that cannot be seen` {
    private static let pipeline = (1...2000).flatMap { _ in Bytes.query }

    /// A session whose server takes nothing, with a client that has sent more than is read ahead.
    private static func stalled(
        readAhead: Int = 0, _ exclusion: Exclusion = Exclusion()
    ) throws -> (SimulatedSession, SimulatedSocket, SimulatedSocket) {
        var configuration = Configuration()
        configuration.cancel.readAhead = readAhead
        configuration.cancel.exclusion = exclusion
        let world = try SimulatedSession(configuration)
        let (client, server) = world.logIn()
        client.isEndHidden = true
        // A complete query, and a part of the next.
        server.room = Bytes.query.count + 10
        client.inbox += pipeline
        world.loop.settle()
        return (world, client, server)
    }

    @Test(arguments: [0, 10_000])
    func `Is noticed within a second, and what it left is cancelled`(readAhead: Int) throws {
        let (world, client, server) = try Self.stalled(readAhead: readAhead)
        world.loop.advance(by: .seconds(60))
        #expect(!client.isClosed && !client.inbox.isEmpty)
        client.isEnded = true
        world.loop.settle()
        #expect(!client.isClosed)
        world.loop.advance(by: .seconds(1))
        #expect(client.isClosed && world.counters.drops[.fin].value == 1)
        try #require(world.cancels.count == 1)
        world.cancels[0].isEnded = true
        server.inbox += message("E") + Bytes.ready
        world.loop.settle()
        #expect(world.isOverAndBalanced)
    }

    @Test func `Is asked about once a second`() throws {
        let (world, client, _) = try Self.stalled()
        world.loop.advance(by: .seconds(100))
        #expect((99...101).contains(client.questionCount))
    }

    @Test func `Is unknown on another machine: the client is left alone until its server reads on`() throws {
        let (world, client, server) = try Self.stalled()
        client.isPeerKnown = false
        client.isEnded = true
        world.loop.advance(by: .seconds(600))
        #expect(!client.isClosed && client.questionCount > 0)
        server.room = .max
        world.loop.settle()
        #expect(client.isClosed && world.counters.drops[.fin].value == 1)
    }

    @Test func `Is not asked about while the client is read, before it waits or when it waits no more`() throws {
        let (world, client, server) = try Self.stalled(readAhead: 1 << 20)
        world.loop.advance(by: .milliseconds(60))
        #expect(client.inbox.isEmpty)
        let before = client.questionCount
        world.loop.advance(by: .seconds(10))
        #expect(client.questionCount == before)
        server.room = .max
        world.loop.settle()
        world.loop.advance(by: .seconds(10))
        #expect(client.questionCount == before)

        let other = try SimulatedSession()
        let (idle, _) = other.logIn()
        other.loop.advance(by: .seconds(10))
        idle.inbox += Bytes.query
        other.loop.advance(by: .seconds(10))
        #expect(idle.questionCount == 0)
    }

    @Test func `Is not asked about where all that was sent is to run`() throws {
        var exclusion = Exclusion()
        exclusion.users = ["app"]
        let (world, client, server) = try Self.stalled(exclusion)
        client.isEnded = true
        world.loop.advance(by: .seconds(60))
        #expect(client.questionCount == 0 && !client.isClosed)
        server.room = .max
        world.loop.settle()
        #expect(server.takeOutbox() == Self.pipeline)
    }
}
