// The order of cancels: each address of the server has its own queue, and unknown keys come last.

import Reactor
import Simulation
import Testing

@testable import Settings
@testable import Telemetry
@testable import Upstream

extension `The cancel dispatcher` {
    private static let dead = SocketAddress.ipv4(0x7f00_0002, port: 5432)

    /// The numbers of the written orders, in their order.
    private var written: [Int] {
        loop.connections.filter { $0.sentCount > 0 }.map { Int($0.outbox[10]) << 8 | Int($0.outbox[11]) }
    }

    private func endAll() {
        for connection in loop.connections where !connection.isClosed { connection.isEnded = true }
        loop.settle()
    }

    @Test func `An address that takes no connections holds up no other address, and is held to max_concurrent`() throws
    {
        let dispatcher = dispatcher()
        loop.networks = [Self.dead: .hangs]
        for number in 0..<100 { dispatcher.receive(.order(try order(number, to: Self.dead))) }
        for number in 100..<120 { dispatcher.receive(.order(try order(number))) }
        loop.settle()
        #expect(written == Array(100..<116))
        endAll()
        #expect(written == Array(100..<120))
        #expect(loop.connections.count { $0.dialledAddress == Self.dead } == 16)
    }

    @Test func `Addresses with nothing to do are forgotten`() throws {
        let dispatcher = dispatcher()
        loop.networks = [Self.dead: .hangs]
        dispatcher.receive(.order(try order(1)))
        dispatcher.receive(.order(try order(2, .unknownKey)))
        let withdrawn = try order(3, to: Self.dead)
        dispatcher.receive(.order(withdrawn))
        loop.settle()
        #expect(dispatcher.lanes.count == 2)
        #expect(withdrawn.withdraw())
        dispatcher.receive(.release(withdrawn))
        endAll()
        #expect(dispatcher.lanes.isEmpty)
    }

    @Test
    func `A connection whose order was answered lingers until the server closes it, and gives its place back once`()
        throws
    {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        let answered = try order(0)
        dispatcher.receive(.order(answered))
        loop.settle()
        #expect(answered.answered())
        dispatcher.receive(.release(answered))
        for number in 1...2 { dispatcher.receive(.order(try order(number))) }
        loop.settle()
        #expect(!loop.connections[0].isClosed && loop.connections.count == 2)
        loop.connections[0].isEnded = true
        loop.settle()
        #expect(loop.connections[0].isClosed && loop.connections.count == 2, "the place is the second one's")
        loop.connections[1].isEnded = true
        loop.settle()
        #expect(loop.connections.count == 3)
    }

    @Test func `Cancels with unknown keys come last, after later ones`() throws {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        for number in 0..<10 { dispatcher.receive(.order(try order(number, .unknownKey))) }
        for number in 10..<20 { dispatcher.receive(.order(try order(number, .client))) }
        for number in 20..<30 { dispatcher.receive(.order(try order(number))) }
        loop.settle()
        for _ in 0..<30 { endAll() }
        #expect(written.first == 0 && Set(written[1...20]) == Set(10..<30) && Array(written[21...]) == Array(1..<10))
    }

    @Test func `Cancels with unknown keys get one place in eight, and get it again`() throws {
        let dispatcher = dispatcher()
        loop.network = .hangs
        for number in 0..<10 { dispatcher.receive(.order(try order(number, .unknownKey))) }
        #expect(loop.connections.count == 2)
        for number in 10..<100 { dispatcher.receive(.order(try order(number, .client))) }
        #expect(loop.connections.count == 16)
        for connection in loop.connections { connection.isAnswered = true }
        loop.network = .accepts
        for _ in 0..<20 { endAll() }
        #expect(Set(written) == Set(0..<100))
    }

    @Test(
        "Of strangers no more wait than the first 64; the others are told at once, and clients are turned away for none"
    )
    func unknownKeyQueueIsBounded() throws {
        let counters = Counters()
        let dispatcher = dispatcher(counting: counters)
        loop.network = .hangs
        for number in 0..<100 { dispatcher.receive(.order(try order(number, .unknownKey))) }
        for number in 100..<200 { dispatcher.receive(.order(try order(number, .client))) }
        #expect(replies.withLock { $0.keys.sorted() } == Array((64 + 2)..<100))
        #expect(counters.clientCancelsFailed.value == 34)
        #expect(logged.entries.count == 10)
        // The log lines about unknown keys leave room for others.
        loop.networks = [Self.dead: .impossible]
        dispatcher.receive(.order(try order(200, to: Self.dead)))
        loop.advance(by: .milliseconds(1))
        #expect(logged.entries.last?.metadata["pid"].map { "\($0)" } == "200")
    }
}
