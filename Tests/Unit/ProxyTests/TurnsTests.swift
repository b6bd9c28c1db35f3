// Clients that leave at once: a few are handled in each turn of the loop, each one once.

import PostgresProtocol
import Reactor
import Simulation
import Testing

@testable import Proxy

@Suite struct `Clients that go in one instant` {
    @Test func `Are seen to a few in each turn, in the order they went`() {
        let loop = SimulatedLoop()
        let turns = Turns(loop: loop)
        var seen: [SessionID] = []
        func leave(_ session: SessionID) {
            turns.run { seen.append(session) }
        }
        for session in 1...20 { leave(SessionID(session)) }
        #expect(seen == Array(1...8))
        loop.iterate()
        #expect(seen == Array(1...16))
        leave(21)
        #expect(seen.count == 16, "others went before it")
        loop.iterate()
        #expect(seen == Array(1...21))
        leave(22)
        #expect(seen == Array(1...22), "this turn has room")
        loop.iterate()
        loop.iterate()
        #expect(loop.liveTimers == 0)
        leave(23)
        #expect(seen.last == 23)
    }

    private typealias Session = (client: SimulatedSocket, server: SimulatedSocket)

    /// 20 clients left at once, each with a query.
    private func leave(_ world: SimulatedSession) -> [Session] {
        let leaving: [Session] = (0..<20).map { _ in world.logIn() }
        for session in leaving { session.client.inbox += Bytes.query }
        world.loop.settle()
        for session in leaving { session.client.isEnded = true }
        return leaving
    }

    @Test func `Those that stay are served between, and a server's end is not seen before that of its client`() throws {
        let world = try SimulatedSession()
        let staying = world.logIn()
        let leaving = leave(world)
        staying.client.inbox += Bytes.query
        world.loop.iterate()
        #expect(world.counters.drops[.fin].value == 8 + 8 && staying.server.takeOutbox() == Bytes.query)
        leaving[19].server.isEnded = true
        world.loop.iterate()
        #expect(world.counters.drops[.fin].value == 20 && world.counters.drops[.serverLost].value == 0)
    }

    @Test func `Their ends take turns, too, and nothing waits for them but their lines in the log`() throws {
        let world = try SimulatedSession()
        let leaving = leave(world)
        for _ in 1...5 { world.loop.iterate() }
        #expect(world.counters.orphansActive.value == 20)
        for session in leaving { session.server.inbox += FatalError(.adminShutdown, "terminating").bytes }
        world.loop.iterate()
        for session in leaving { session.server.isEnded = true }
        world.loop.iterate()
        #expect(world.counters.orphansActive.value == 0 && world.outcomes(.serverClosed) == 20)
        // Eight in this turn, and eight in the next, whose timer is due.
        #expect(world.ended(.reaped) == 8 + 8 && world.sessionQuota.used == 0, "the places are free")
        world.worker.receive(.drain {})
        world.loop.iterate()
        #expect(world.ended(.reaped) == 20 && world.outcomes(.serverClosed) == 20)
        #expect(world.isOverAndBalanced)
    }

    @Test func `One whose session has ended meanwhile is passed over`() throws {
        let world = try SimulatedSession()
        _ = leave(world)
        world.loop.iterate()
        world.worker.receive(.drain {})
        world.loop.iterate()
        #expect(world.counters.drops[.fin].value == 16 && world.counters.drops[.shutdown].value == 4)
    }
}
