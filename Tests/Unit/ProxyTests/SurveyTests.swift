// Questions that requests share.

import Reactor
import Simulation
import Testing

@testable import Proxy

@Suite struct `A survey` {
    private final class World {
        let loop = SimulatedLoop()
        private(set) var asked: [Int] = []
        private(set) var summaries: [String] = []
        private(set) var survey: Survey<Int, String>?

        init(of count: Int) {
            survey = Survey(
                of: count, on: loop, within: .seconds(1), freshFor: .milliseconds(250),
                ask: { [unowned self] in asked.append($0) },
                summarize: { "\($0), \($1) missing" }
            )
        }

        func request() { survey?.request { [unowned self] in summaries.append($0) } }

        func answer(_ number: Int, _ answer: Int) { survey?.receive(answer, from: number) }
    }

    @Test func `has the answers of all, in their order`() {
        let world = World(of: 3)
        world.request()
        #expect(world.asked == [0, 1, 2])
        world.answer(2, 30)
        world.answer(0, 10)
        #expect(world.summaries == [])
        world.answer(1, 20)
        #expect(world.summaries == ["[10, 20, 30], 0 missing"])
        #expect(world.loop.liveTimers == 0)
    }

    @Test func `is shared by the requests of its time and of the moment after it`() {
        let world = World(of: 1)
        world.request()
        world.request()
        world.answer(0, 1)
        #expect(world.summaries.count == 2)
        world.loop.advance(by: .milliseconds(249))
        world.request()
        #expect(world.summaries.count == 3 && world.asked == [0])
        world.loop.advance(by: .milliseconds(1))
        world.request()
        #expect(world.summaries.count == 3 && world.asked == [0, 0])
    }

    @Test func `doesn't wait for one that doesn't answer, and doesn't ask it again before it has`() {
        let world = World(of: 2)
        world.request()
        world.answer(0, 1)
        world.loop.advance(by: .milliseconds(999))
        #expect(world.summaries == [])
        world.loop.advance(by: .milliseconds(1))
        #expect(world.summaries == ["[1], 1 missing"])
        world.loop.advance(by: .seconds(1))
        world.request()
        #expect(world.asked == [0, 1, 0])
        world.answer(0, 2)
        world.answer(1, 9)
        #expect(world.summaries.last == "[2, 9], 0 missing", "a late answer is as good")
        world.loop.advance(by: .seconds(1))
        world.request()
        #expect(world.asked == [0, 1, 0, 0, 1])
    }

    @Test func `hears an answer that nobody waits for`() {
        let world = World(of: 1)
        world.request()
        world.loop.advance(by: .seconds(1))
        #expect(world.summaries == ["[], 1 missing"])
        world.answer(0, 1)
        world.loop.advance(by: .seconds(1))
        world.request()
        #expect(world.asked == [0, 0])
    }
}
