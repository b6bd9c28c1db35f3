// Flow control, when one side takes its bytes more slowly than the other sends them.

import Reactor
import Simulation
import TestSupport
import Testing

@testable import CancelPolicy
@testable import PostgresProtocol

@Suite struct `A session whose peers are slow` {
    @Test(arguments: [1, 2, 3, 7, 100])
    func `Nothing is lost or reordered, whatever a send takes`(room: Int) throws {
        let world = try SimulatedSession(receiveBufferSize: 64)
        let (client, server) = world.logIn()
        let requests = Array(repeating: Bytes.query, count: 30).flatMap { $0 }
        let answers = Array(repeating: Bytes.answer, count: 30).flatMap { $0 }
        server.room = 0
        client.inbox += requests
        // At least one byte is sent in each round.
        for _ in requests where server.outbox.count < requests.count {
            server.room = room
            #expect(world.loop.settle())
        }
        #expect(server.takeOutbox() == requests)
        client.room = 0
        server.inbox += answers
        for _ in answers where client.outbox.count < answers.count {
            client.room = room
            #expect(world.loop.settle())
        }
        #expect(client.takeOutbox() == answers)
        #expect(world.counters.sessionsBusy.value == 0)
    }

    @Test func `While one side takes nothing, the other is not read beyond one receive`() throws {
        let world = try SimulatedSession(receiveBufferSize: 64)
        let (client, server) = world.logIn()
        client.room = 0
        server.inbox += Array(repeating: Bytes.answer, count: 100).flatMap { $0 }
        let before = server.inbox.count
        world.loop.settle()
        #expect(before - server.inbox.count == 64)
    }

    @Test func `A client that dies while the server takes nothing is noticed, and its query cancelled`() throws {
        let world = try SimulatedSession(receiveBufferSize: 64)
        let (client, server) = world.logIn()
        server.room = 2 * Bytes.query.count
        client.inbox += Array(repeating: Bytes.query, count: 100).flatMap { $0 }
        world.loop.settle()
        #expect(!client.inbox.isEmpty)
        client.isEnded = true
        world.loop.settle()
        #expect(world.cancels.isEmpty, "another follows the first query")
        world.loop.advance(by: CancelTiming.slow)
        #expect(world.cancels.count == 1)
        #expect(world.counters.drops[.fin].value == 1)
    }

    @Test func `Nothing is cancelled for a client that dies before the server has a complete request`() throws {
        let world = try SimulatedSession(receiveBufferSize: 64)
        let (client, server) = world.logIn()
        server.room = Bytes.query.count - 1
        client.inbox += Bytes.query
        world.loop.settle()
        client.isEnded = true
        world.loop.settle()
        #expect(server.isClosed && world.ended(.clientClosed) == 1)
        world.loop.advance(by: .seconds(1))
        #expect(world.cancels.isEmpty && world.isOverAndBalanced)
    }

    @Test func `A client that dies while it takes nothing of a big result: the rest is read and discarded`() throws {
        let world = try SimulatedSession(receiveBufferSize: 64)
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        client.room = 0
        server.inbox += Array(repeating: message("D", [0, 0]), count: 1000).flatMap { $0 }
        world.loop.settle()
        client.error = SystemError(104)
        world.loop.settle()
        #expect(client.isClosed && server.inbox.isEmpty)
        #expect(world.counters.drops[.reset].value == 1)
    }

    @Test func `A pipeline longer than the record is read on when answers make room`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        let sync = message("S")
        client.inbox += Array(repeating: sync, count: 3 * OutstandingRequests.fullCount).flatMap { $0 }
        world.loop.settle()
        #expect(!client.inbox.isEmpty, "the client has to wait")
        for _ in 0..<3 * OutstandingRequests.fullCount / 1024 {
            server.inbox += Array(repeating: Bytes.ready, count: 1024).flatMap { $0 }
            world.loop.settle()
        }
        #expect(client.inbox.isEmpty)
        #expect(server.takeOutbox().count == 3 * OutstandingRequests.fullCount * sync.count)
        #expect(world.counters.sessionsBusy.value == 0)
    }

    @Test func `While the record is full, what is left over waits, though the server would take it`() throws {
        // One receive takes all bytes of the client.
        let world = try SimulatedSession(receiveBufferSize: 1 << 16)
        let (client, server) = world.logIn()
        let sync = message("S")
        let most = OutstandingRequests.fullCount * sync.count
        server.room = most
        client.inbox += Array(repeating: sync, count: OutstandingRequests.fullCount + 100).flatMap { $0 }
        world.loop.settle()
        #expect(client.inbox.isEmpty)
        server.room = .max
        world.loop.settle()
        #expect(server.outbox.count == most)
        server.inbox += Bytes.ready
        world.loop.settle()
        #expect(server.outbox.count == most + 100 * sync.count)
    }

    @Test func `The server breaks off while the client sends: what the server said before still reaches the client`()
        throws
    {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        server.room = 0
        client.inbox += Bytes.query
        world.loop.settle()
        server.error = SystemError(32)
        server.room = 1
        server.inbox += message("E", Array("gone\0".utf8))
        server.isEnded = true
        world.loop.settle()
        #expect(client.takeOutbox() == message("E", Array("gone\0".utf8)))
        client.isEnded = true
        world.loop.settle()
        #expect(world.ended(.serverClosed) == 1)
    }
}
