// Many drops at once: the cancelled backends wait for those that are not cancelled.

import Reactor
import Simulation
import TestSupport
import Testing

@Suite struct `Backends whose clients left all at once` {
    /// A number of busy sessions whose clients then drop.
    private func storm(_ count: Int) throws -> (world: SimulatedSession, servers: [SimulatedSocket]) {
        let world = try SimulatedSession()
        let sessions = (0..<count).map { _ in world.logIn() }
        for session in sessions { session.client.inbox += Bytes.query }
        world.loop.settle()
        for session in sessions { session.client.isEnded = true }
        world.loop.advance(by: .zero)
        return (world, sessions.map(\.server))
    }

    /// Delivers the cancels of all that were dialled, and makes these servers answer.
    private func stop(_ servers: ArraySlice<SimulatedSocket>, in world: SimulatedSession, status: Character = "I") {
        for server in servers { server.inbox += message("E") + message("Z", Array(String(status).utf8)) }
        for connection in world.loop.connections where !servers.contains(where: { $0 === connection }) {
            if connection.outbox == Bytes.cancelRequest { connection.isEnded = true }
        }
        world.loop.settle()
    }

    @Test func `A few leave at once`() throws {
        let (world, servers) = try storm(3)
        stop(servers[...], in: world)
        #expect(servers.allSatisfy { $0.isClosed })
    }

    @Test func `Many are kept until few are left to cancel, and then leave one after another`() throws {
        let (world, servers) = try storm(40)
        stop(servers[..<10], in: world)
        world.loop.advance(by: .milliseconds(100))
        #expect(!servers.contains { $0.isClosed })
        #expect(world.counters.sessionsActive.value == 30, "their sessions are over")
        stop(servers[10...], in: world)
        world.loop.advance(by: .milliseconds(10))
        let left = servers.count { $0.isClosed }
        #expect((1...12).contains(left))
        world.loop.advance(by: .milliseconds(100))
        #expect(servers.allSatisfy { $0.isClosed })
        #expect(world.isOverAndBalanced)
    }

    @Test func `A storm at one address keeps no backend at another`() throws {
        let addresses = [1, 2].map { HostAddress(SocketAddress.ipv4(0x7f00_0000 + $0, port: 1), foundBy: "") }
        let world = try SimulatedSession(upstream: .addresses(addresses))
        let stormy = (0..<40).map { _ in world.logIn() }
        world.loop.networks = [addresses[0].address: .refuses]
        let (client, server) = world.logIn()
        for session in stormy + [(client, server)] { session.client.inbox += Bytes.query }
        world.loop.settle()
        world.loop.networks = [addresses[0].address: .hangs]
        for session in stormy + [(client, server)] { session.client.isEnded = true }
        world.loop.advance(by: .zero)
        #expect(server.dialledAddress == addresses[1].address)
        stop([server], in: world)
        #expect(server.isClosed && world.counters.orphansActive.value == 40)
    }

    @Test func `None is kept for longer than a second`() throws {
        let (world, servers) = try storm(40)
        stop(servers[..<10], in: world)
        world.loop.advance(by: .milliseconds(1100))
        #expect(servers[..<10].allSatisfy { $0.isClosed })
    }

    @Test func `Nor one in a transaction, whose end others may wait for`() throws {
        let (world, servers) = try storm(40)
        stop(servers[..<10], in: world, status: "E")
        #expect(servers[..<10].allSatisfy { $0.isClosed })
    }
}
