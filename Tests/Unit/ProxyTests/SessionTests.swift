// Complete sessions in a simulated world: every stage, both ends leaving at every point, short sends, bad packets.

import Reactor
import Simulation
import TestSupport
import Testing

@testable import PostgresProtocol
@testable import Settings

@Suite struct `A session` {
    @Test func `Bytes pass unchanged, both ways`() throws {
        let world = try SimulatedSession()
        let client = world.accept()
        client.inbox += Bytes.startup
        world.loop.settle()
        let server = world.loop.connections[0]
        #expect(server.takeOutbox() == Bytes.startup)
        server.inbox += Bytes.login
        world.loop.settle()
        #expect(client.takeOutbox() == Bytes.login)
        client.inbox += Bytes.query
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query)
        #expect(world.counters.sessionsBusy.value == 1)
        server.inbox += Bytes.answer
        world.loop.settle()
        #expect(client.takeOutbox() == Bytes.answer)
        #expect(world.counters.sessionsBusy.value == 0)
    }

    @Test
    func `The client drops mid-query: one cancel with its key to its server's address, and the end when it is idle`()
        throws
    {
        let world = try SimulatedSession()
        let (client, server) = world.leaveInQuery()
        #expect(client.isClosed && !server.isClosed)
        #expect(world.cancels.count == 1)
        #expect(world.cancels[0].peerAddress == SimulatedSession.server)
        #expect(world.cancels[0].takeOutbox() == Bytes.cancelRequest)
        world.cancels[0].isEnded = true
        world.loop.settle()
        #expect(world.outcomes(.cancelled) == 0, "the end of the cancel connection proves nothing")
        server.inbox += message("E") + Bytes.ready
        world.loop.settle()
        #expect(world.outcomes(.cancelled) == 1 && world.ended(.reaped) == 1)
        #expect(server.isClosed)
        world.loop.advance(by: .seconds(60))
        #expect(world.cancels.count == 1, "none after the end")
        #expect(world.load.used == 0 && world.isOverAndBalanced)
    }

    @Test func `The answer crosses the cancel: the server's side stays open until the cancel has arrived`() throws {
        let world = try SimulatedSession()
        let server = world.leaveInQuery().server
        server.inbox += Bytes.answer
        world.loop.settle()
        #expect(!server.isClosed)
        world.cancels[0].isEnded = true
        world.loop.settle()
        #expect(server.isClosed && world.outcomes(.finished) == 1)
        #expect(server.takeOutbox() == Bytes.query + LastMessages.terminate)
    }

    @Test func `The server doesn't stop: cancelled again and again, then given up`() throws {
        var configuration = Configuration()
        configuration.cancel.timeout = .seconds(2)
        let world = try SimulatedSession(configuration)
        let server = world.leaveInQuery().server
        for _ in 0..<200 {
            for cancel in world.cancels where !cancel.isEnded { cancel.isEnded = true }
            world.loop.settle()
            world.loop.advance(by: .milliseconds(10))
        }
        // Four within 10 ms and, with pauses that double, eight more.
        #expect(world.cancels.count == 12)
        #expect(!server.isShutDown, "a pooler would forget the session")
        #expect(server.takeOutbox() == Bytes.query, "it is sure that something runs")
        world.loop.advance(by: .milliseconds(10))
        #expect(server.isClosed && world.outcomes(.gaveUp) == 1 && world.isOverAndBalanced)
    }

    @Test func `The cancel connection is refused, or hangs: tried again until the server can be reached`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        world.loop.network = .refuses
        client.isEnded = true
        world.loop.settle()
        world.loop.advance(by: .milliseconds(100))
        #expect(world.counters.cancelsSent[.request].value == 0 && world.counters.cancelsFailed.value == 3)
        world.loop.network = .hangs
        world.loop.advance(by: .seconds(6))
        world.loop.network = .accepts
        world.loop.advance(by: .seconds(7))
        #expect(world.counters.cancelsSent[.request].value >= 1)
        server.inbox += message("E") + Bytes.ready
        world.loop.settle()
        world.cancels.forEach { $0.isEnded = true }
        world.loop.settle()
        #expect(world.outcomes(.cancelled) == 1)
    }

    @Test func `The server closes while the cancel waits for its turn: it is never sent`() throws {
        var configuration = Configuration()
        configuration.cancel.maxConcurrent = 1
        let world = try SimulatedSession(configuration)
        let sessions = [world.logIn(), world.logIn()]
        world.loop.network = .hangs
        for (client, _) in sessions {
            client.inbox += Bytes.query
            client.isEnded = true
            world.loop.settle()
        }
        for (_, server) in sessions {
            server.inbox += FatalError(.adminShutdown, "terminating").bytes
            server.isEnded = true
        }
        world.loop.settle()
        #expect(world.outcomes(.serverClosed) == 2 && world.isOverAndBalanced)
        world.loop.network = .accepts
        world.loop.advance(by: .seconds(60))
        #expect(world.loop.connections.count == 3, "two sessions and one cancel")
    }

    @Test(arguments: [true, false])
    func `An idle client's drop closes the server's side at once and cancels nothing`(isTerminated: Bool) throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        if isTerminated { client.inbox += Frontend.terminate }
        client.isEnded = true
        world.loop.settle()
        #expect(server.takeOutbox() == (isTerminated ? Frontend.terminate : []))
        #expect(server.isClosed && world.cancels.isEmpty)
        #expect(world.ended(isTerminated ? .clientTerminated : .clientClosed) == 1)
        #expect(world.isOverAndBalanced)
    }

    @Test func `Terminate alone cancels nothing: the client gets the answer it waits for`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query + Frontend.terminate
        world.loop.settle()
        world.loop.advance(by: .seconds(5))
        #expect(world.cancels.isEmpty)
        server.inbox += Bytes.answer
        server.isEnded = true
        world.loop.settle()
        #expect(client.takeOutbox() == Bytes.answer)
        client.isEnded = true
        world.loop.settle()
        #expect(world.ended(.clientTerminated) == 1)
    }

    @Test func `The client is gone before it had a server`() throws {
        let world = try SimulatedSession()
        world.loop.network = .hangs
        let client = world.accept()
        client.inbox += Bytes.startup
        world.loop.settle()
        client.isEnded = true
        world.loop.settle()
        #expect(world.ended(.clientClosed) == 1)
        #expect(world.loop.connections[0].isClosed)
    }

    @Test func `The server's last messages reach a client that is slow to read them`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.room = 3
        server.inbox += message("E", Array("terminating\0".utf8))
        server.isEnded = true
        world.loop.settle()
        #expect(client.outbox.count == 3 && !client.isClosed)
        client.room = .max
        world.loop.settle()
        #expect(client.takeOutbox() == message("E", Array("terminating\0".utf8)))
        #expect(client.isShutDown && !client.isClosed, "it has a moment to read before the socket goes")
        world.loop.advance(by: .seconds(2))
        #expect(world.ended(.serverClosed) == 1)
    }

    @Test func `SIGTERM: an idle client gets an error, a busy one's query is cancelled`() throws {
        let world = try SimulatedSession()
        let (idle, _) = world.logIn()
        let (busy, server) = world.logIn()
        busy.inbox += Bytes.query
        world.loop.settle()
        let drained = Mailbox<Void>()
        var isDrained = false
        try drained.open(on: world.loop) { isDrained = true }
        world.worker.receive(.drain { drained.post(()) })
        world.loop.settle()
        #expect(String(decoding: idle.takeOutbox(), as: UTF8.self).contains("57P01"))
        #expect(String(decoding: busy.takeOutbox(), as: UTF8.self).contains("57P01"))
        server.inbox += message("E") + Bytes.ready
        world.loop.connections.forEach { if $0 !== server { $0.isEnded = true } }
        world.loop.settle()
        world.loop.advance(by: .seconds(2))
        #expect(isDrained && world.counters.drops[.shutdown].value == 1 && world.isOverAndBalanced)
    }
}
