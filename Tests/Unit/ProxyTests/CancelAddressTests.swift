// The destination of cancels: the address that the session dialled, or, for an unknown session, all addresses.

import InMemoryLogging
import Logging
import Simulation
import Synchronization
import Testing

@testable import PostgresProtocol
@testable import Proxy
@testable import Reactor
@testable import Upstream

private let addresses = [1, 2].map { HostAddress(SocketAddress.ipv4(0x7f00_0000 + $0, port: 5432), foundBy: "server") }

/// A name server that can become unavailable.
private final class Names: Sendable {
    let state = Mutex((isGone: false, questions: 0))

    var upstream: Upstream {
        .names { [self] answer in
            let isGone = state.withLock { state in
                state.questions += 1
                return state.isGone
            }
            answer(isGone ? .failure(ResolutionError(host: "server", reason: "unknown")) : .success(addresses))
        }
    }
}

@Suite struct `The address of a cancel` {
    private let logged = InMemoryLogHandler()

    private var log: Logger { Logger(label: "") { [logged] _ in logged } }

    /// A client sends a CancelRequest with the key of all sessions.
    private func requestCancel(_ world: SimulatedSession) -> SimulatedSocket {
        let client = world.accept()
        client.inbox += Bytes.cancelRequest
        world.loop.settle()
        return client
    }

    /// For example when the server's socket directory is mounted elsewhere, or is relative to its working directory.
    @Test(arguments: [false, true])
    func `is the one that was dialled, whatever the server says it is bound to`(isClients: Bool) throws {
        let (dialled, bound) = (SocketAddress.unix(path: "/run/app/s"), SocketAddress.unix(path: "./s"))
        let world = try SimulatedSession(upstream: .addresses([HostAddress(dialled, foundBy: "/run/app")]))
        world.loop.boundAddresses = [dialled: bound]
        let (client, server) = world.logIn()
        #expect(server.peerAddress == bound)
        client.inbox += Bytes.query
        world.loop.settle()
        if isClients {
            _ = requestCancel(world)
        } else {
            client.isEnded = true
            world.loop.settle()
        }
        #expect(world.cancels.map(\.dialledAddress) == [dialled])
        #expect(world.cancels.first?.takeOutbox() == Bytes.cancelRequest)
    }

    @Test func `is known without asking for a name while the session is there`() throws {
        let names = Names()
        let world = try SimulatedSession(upstream: names.upstream)
        world.loop.networks = [addresses[0].address: .refuses]
        let client = world.accept()
        client.inbox += Bytes.startup
        world.loop.settle()
        world.loop.connections[1].inbox += Bytes.login
        world.loop.settle()
        names.state.withLock { $0.isGone = true }
        let canceller = requestCancel(world)
        #expect(world.loop.connections.dropFirst(2).map(\.dialledAddress) == [addresses[1].address])
        #expect(names.state.withLock { $0.questions } == 1)
        world.loop.connections[2].isEnded = true
        world.loop.settle()
        #expect(canceller.isClosed && world.ended(.cancelRelayed) == 1)
    }

    @Test func `is every one of the server's for an unknown key`() throws {
        let world = try SimulatedSession(upstream: Names().upstream)
        let canceller = requestCancel(world)
        #expect(world.loop.connections.map(\.dialledAddress) == addresses.map(\.address))
        for connection in world.loop.connections {
            #expect(!canceller.isClosed)
            #expect(connection.takeOutbox() == Bytes.cancelRequest)
            connection.isEnded = true
            world.loop.settle()
        }
        #expect(canceller.isClosed && world.ended(.cancelRelayed) == 1)
        #expect(world.counters.clientCancelsRelayed.value == 2 && world.isOverAndBalanced)
    }

    @Test(arguments: [0, 1])
    func `may be one that takes it and one that refuses it`(refusing: Int) throws {
        let world = try SimulatedSession(upstream: .addresses(addresses), log: log)
        world.loop.networks = [addresses[refusing].address: .refuses]
        let canceller = requestCancel(world)
        world.loop.connections[1 - refusing].isEnded = true
        world.loop.settle()
        #expect(canceller.isClosed && world.ended(.cancelRelayed) == 1)
        #expect(world.counters.clientCancelsRelayed.value == 1 && world.counters.clientCancelsFailed.value == 1)
        #expect(logged.entries.map(\.message) == ["cancel not sent"])
    }

    @Test func `that can't be found is said in the log`() throws {
        let names = Names()
        names.state.withLock { $0.isGone = true }
        let world = try SimulatedSession(upstream: names.upstream, log: log)
        let canceller = requestCancel(world)
        #expect(canceller.isClosed && world.loop.connections.isEmpty && world.ended(.serverUnreachable) == 1)
        #expect(world.counters.clientCancelsFailed.value == 1)
        let line = logged.entries.first
        #expect(line?.message == "cancel not sent" && line?.metadata["pid"].map { "\($0)" } == "256")
        #expect(line?.metadata["reason"] == "could not translate host name \"server\" to address: unknown")
    }

    @Test func `is forgotten with its session`() throws {
        let world = try SimulatedSession()
        let body: [UInt8] = [0, 0, 1, 0, 9, 9, 9, 9]
        let named = CancelKey(backendKeyData: body.span)
        let key = try #require(named)
        let (client, _) = world.logIn()
        #expect(world.worker.environment.keys.route(of: key)?.address.address == SimulatedSession.server)
        client.isEnded = true
        world.loop.settle()
        #expect(world.worker.environment.keys.route(of: key) == nil)
    }

    @Test func `is one object for all sessions that have the same`() throws {
        let world = try SimulatedSession()
        let routes = [Protection.plain, .plain, .encrypted, .encrypted].map {
            world.worker.cancelRoute(to: addresses[0], $0)
        }
        #expect(routes[0] === routes[1] && routes[2] === routes[3] && routes[1] !== routes[2])
        #expect(world.worker.cancelRoute(to: addresses[1], .encrypted).address == addresses[1])
    }
}
