// A host that dies while data is on its way to it, and hosts that only seem to be dead.

import Reactor
import Simulation
import Testing

@testable import Proxy
@testable import Settings

@Suite struct `A session whose peer's host is silent` {
    @Test func `A busy client that answers nothing for as long as keepalive would wait is gone`() throws {
        let world = try SimulatedSession()
        let (client, _) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        client.isUnanswered = true
        world.loop.advance(by: .seconds(44))
        #expect(world.counters.drops[.timeout].value == 0)
        world.loop.advance(by: .seconds(2))
        #expect(world.counters.drops[.timeout].value == 1 && world.cancels.count == 1)
    }

    @Test func `One that answers now and then is there`() throws {
        let world = try SimulatedSession()
        let (client, _) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        for second in 0..<300 {
            client.isUnanswered = !second.isMultiple(of: 30)
            world.loop.advance(by: .seconds(1))
        }
        #expect(!client.isClosed)
    }

    @Test func `What was seen before an idle time is no part of the next silence`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        client.isUnanswered = true
        world.loop.settle()
        world.loop.advance(by: .seconds(2))
        client.isUnanswered = false
        server.inbox += Bytes.answer
        world.loop.settle()
        world.loop.advance(by: .seconds(3600))
        client.isUnanswered = true
        client.inbox += Bytes.query
        world.loop.settle()
        world.loop.advance(by: .seconds(2))
        #expect(!client.isClosed)
    }

    @Test func `The kernel's pace is as it was when the session is idle again`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        client.isUnanswered = true
        world.loop.advance(by: .seconds(42))
        #expect(client.paces.contains(.userTimeout(AttemptPacing.never)))
        client.isUnanswered = false
        server.inbox += Bytes.answer
        world.loop.settle()
        world.loop.advance(by: .seconds(1))
        let keepalive = Configuration().listen.keepalive
        #expect(client.paces.last { if case .userTimeout = $0 { true } else { false } } == .userTimeout(.zero))
        #expect(
            client.paces.last { if case .pauses = $0 { true } else { false } }
                == .pauses(atMost: keepalive.longestPause))
        #expect(client.paces.last == .probes(idle: keepalive.idle, count: keepalive.count + 1))
    }

    @Test func `The kernel's pace towards the server is as it was when the client has left`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        server.isUnanswered = true
        world.loop.advance(by: .seconds(42))
        #expect(server.paces.contains(.userTimeout(AttemptPacing.never)))
        client.isEnded = true
        world.loop.settle()
        let keepalive = Configuration().server.keepalive
        #expect(server.paces.last { if case .userTimeout = $0 { true } else { false } } == .userTimeout(.zero))
        #expect(server.paces.last == .probes(idle: keepalive.idle, count: keepalive.count + 1))
    }

    @Test func `An idle one is left to the kernel`() throws {
        let world = try SimulatedSession()
        let (client, _) = world.logIn()
        client.isUnanswered = true
        world.loop.advance(by: .seconds(300))
        #expect(!client.isClosed)
    }

    @Test func `A server that answers nothing ends the session, and what it runs is cancelled by another connection`()
        throws
    {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        client.inbox += Bytes.query
        world.loop.settle()
        server.isUnanswered = true
        world.loop.advance(by: .seconds(47))
        #expect(server.isClosed && client.isShutDown)
        client.isEnded = true
        world.loop.settle()
        #expect(world.ended(.serverClosed) == 1)
        #expect(world.cancels.first?.takeOutbox() == Bytes.cancelRequest)
    }
}
