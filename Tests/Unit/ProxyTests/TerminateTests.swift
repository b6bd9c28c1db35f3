// The client's Terminate: it is sent to the server at once when no statement runs, and otherwise after the last reply.

import Reactor
import Simulation
import TestSupport
import Testing

@testable import PostgresProtocol
@testable import Settings

@Suite struct `A client's Terminate` {
    private static let batch = message("P", Array("\0SELECT 1\0\0\0".utf8)) + message("E", [0, 0, 0, 0, 0])

    @Test func `goes to an idle server at once`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Frontend.terminate
        world.loop.settle()
        #expect(server.takeOutbox() == Frontend.terminate)
        server.isEnded = true
        world.loop.settle()
        client.isEnded = true
        world.loop.settle()
        #expect(world.ended(.clientTerminated) == 1)
    }

    @Test(arguments: [false, true]) func `waits for the last answer`(_ isInOneSend: Bool) throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query + Bytes.query
        if !isInOneSend { world.loop.settle() }
        client.inbox += Frontend.terminate
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query + Bytes.query)
        server.inbox += Bytes.answer
        world.loop.settle()
        #expect(server.takeOutbox() == [])
        server.inbox += Bytes.answer
        world.loop.settle()
        #expect(client.takeOutbox() == Bytes.answer + Bytes.answer)
        #expect(server.takeOutbox() == Frontend.terminate)
        #expect(!client.isClosed && !server.isClosed)
    }

    @Test func `is not sent before what runs is cancelled`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query + Frontend.terminate
        world.loop.settle()
        world.loop.advance(by: .milliseconds(20))
        client.isEnded = true
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query && world.cancels.count == 1)
        #expect(world.counters.drops[.terminate].value == 1)
        world.cancels[0].isEnded = true
        server.inbox += message("E") + Bytes.ready
        world.loop.settle()
        #expect(server.takeOutbox() == Frontend.terminate && server.isClosed)
        #expect(world.outcomes(.cancelled) == 1)
    }

    @Test func `ends a copy after one to two seconds, where the client stays`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        server.inbox += message("G", [0, 0, 0])
        world.loop.settle()
        client.inbox += Frontend.terminate
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query, "a pooler would let what the copy runs continue")
        world.loop.advance(by: .seconds(2))
        #expect(server.takeOutbox() == LastMessages.copyFail && client.isClosed)
        server.inbox += message("E") + Bytes.ready
        world.loop.settle()
        #expect(server.takeOutbox() == Frontend.terminate && world.outcomes(.finished) == 1)
    }

    @Test func `is the last that is read`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query + Frontend.terminate
        world.loop.settle()
        client.inbox += Bytes.query
        world.loop.settle()
        client.inbox += Frontend.terminate
        world.loop.settle()
        server.inbox += Bytes.answer
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query + Frontend.terminate)
    }

    @Test func `is none within another message`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        let body = Array("SELECT 'X".utf8) + [0, 0, 0, 4]
        let message = message("Q", body + Array("'\0".utf8))
        client.inbox += message.prefix(5 + body.count)
        world.loop.settle()
        client.inbox += message.dropFirst(5 + body.count)
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query + message)
    }

    @Test func `waits, too, after bytes that the server has not taken yet`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        server.room = 3
        client.inbox += Bytes.query + Frontend.terminate
        world.loop.settle()
        server.room = .max
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query)
        server.inbox += Bytes.answer
        world.loop.settle()
        #expect(server.takeOutbox() == Frontend.terminate)
    }

    @Test(arguments: 1...4) func `that comes in two parts waits, too`(_ count: Int) throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query + Frontend.terminate.prefix(count)
        world.loop.settle()
        client.inbox += Frontend.terminate.dropFirst(count)
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query)
        server.inbox += Bytes.answer
        world.loop.settle()
        #expect(server.takeOutbox() == Frontend.terminate)
    }

    @Test func `may begin like another message's end`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        let queries = ["SELECT X\0", "SELECT 'X\0\0", "X"].map { message("Q", Array($0.utf8)) }
        for query in queries {
            client.inbox += query
            world.loop.settle()
            #expect(server.takeOutbox() == query)
        }
        // The server refuses one with a wrong length.
        client.inbox += [UInt8(ascii: "X"), 0]
        world.loop.settle()
        client.inbox += [0, 0, 8, 1, 2, 3, 4]
        world.loop.settle()
        #expect(server.takeOutbox() == message("X", [1, 2, 3, 4]))
    }

    @Test func `that was none goes on when more follows`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        server.room = 3
        let message = message("Q", [UInt8(ascii: "X"), 0, 0, 0, 4] + Array("SELECT 1\0".utf8))
        client.inbox += message.prefix(10)
        world.loop.settle()
        #expect(!server.outbox.isEmpty)
        client.inbox += message.dropFirst(10)
        server.room = .max
        world.loop.settle()
        #expect(server.takeOutbox() == message)
    }

    @Test func `ends an open batch of which nothing runs at once`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Self.batch + message("H")
        world.loop.settle()
        server.inbox += message("1") + message("C", Array("SELECT 1\0".utf8))
        world.loop.settle()
        client.inbox += Frontend.terminate
        world.loop.settle()
        #expect(server.takeOutbox() == Self.batch + message("H") + Frontend.terminate)
        client.isEnded = true
        world.loop.settle()
        server.isEnded = true
        world.loop.settle()
        #expect(server.takeOutbox() == [], "the server reads nothing after a Terminate")
        world.loop.advance(by: .seconds(31))
        #expect(world.cancels.isEmpty && world.outcomes(.serverClosed) == 1 && world.isOverAndBalanced)
    }

    @Test func `after an open batch is the client's end after a while, though it stays`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Self.batch + Frontend.terminate
        world.loop.settle()
        world.loop.advance(by: .milliseconds(1500))
        #expect(server.takeOutbox() == Self.batch)
        world.loop.advance(by: .milliseconds(1000))
        #expect(client.isClosed && world.counters.drops[.terminate].value == 1)
        #expect(server.takeOutbox() == LastMessages.failingExecute + LastMessages.sync, "what it left may still run")
        server.inbox += message("1") + message("E") + Bytes.ready
        world.loop.settle()
        for cancel in world.cancels { cancel.isEnded = true }
        world.loop.settle()
        #expect(server.takeOutbox() == Frontend.terminate && server.isClosed)
    }

    @Test(arguments: [[], batch]) func `after a request waits for as long as that runs`(_ batch: [UInt8]) throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query + batch + Frontend.terminate
        world.loop.settle()
        world.loop.advance(by: .seconds(10))
        #expect(server.takeOutbox() == Bytes.query + batch && !client.isClosed && world.cancels.isEmpty)
    }

    @Test func `of a session that is left out goes at once`() throws {
        var configuration = Configuration()
        configuration.cancel.exclusion.users = ["app"]
        let world = try SimulatedSession(configuration)
        let (client, server) = world.logIn()
        client.inbox += Bytes.query + Frontend.terminate
        world.loop.settle()
        #expect(server.takeOutbox() == Bytes.query + Frontend.terminate)
    }

    @Test func `is not held back while a password is asked for`() throws {
        let world = try SimulatedSession()
        let client = world.accept()
        client.inbox += Bytes.startup
        world.loop.settle()
        let server = world.loop.connections[0]
        _ = server.takeOutbox()
        server.inbox += message("R", [0, 0, 0, 3])
        world.loop.settle()
        client.inbox += Frontend.terminate
        world.loop.settle()
        #expect(server.takeOutbox() == Frontend.terminate)
    }
}
