// The dispatcher's queue: the number of orders at a time, their order, and withdrawals.

import InMemoryLogging
import Logging
import Reactor
import Simulation
import Testing

@testable import CancelPolicy
@testable import PostgresProtocol
@testable import Settings
@testable import Telemetry
@testable import Upstream

private func key(_ number: Int) -> CancelKey? {
    let body: [UInt8] = [0, 0, UInt8(number >> 8), UInt8(number & 255), 1, 2, 3, 4]
    return CancelKey(backendKeyData: body.span)
}

@Suite struct `The cancel dispatcher` {
    let loop = SimulatedLoop()
    let replies = Locked<[Int: Reaper.CancelResult]>([:])
    let logged = InMemoryLogHandler()
    let messages = Mailbox<DispatcherMessage>()

    func order(
        _ number: Int, _ purpose: CancelOrder.Purpose = .orphan, to address: SocketAddress = SimulatedSession.server
    ) throws -> CancelOrder {
        let cancelKey = try #require(key(number))
        let route = CancelRoute(to: HostAddress(address, foundBy: ""), .plain)
        return CancelOrder(purpose, route, key: cancelKey, dispatcher: messages) { [replies] result in
            replies.withLock { $0[number] = result }
        }
    }

    func dispatcher(_ limits: Configuration.Cancel = .init(), counting counters: Counters = Counters())
        -> CancelDispatcher
    {
        CancelDispatcher(
            loop: loop, limits: limits, security: .none, counters: counters,
            log: Logger(label: "") { [logged] _ in logged })
    }

    @Test func `Never more than max_concurrent at a time, in the order they came, each answered once`() throws {
        let dispatcher = dispatcher()
        for number in 0..<100 { dispatcher.receive(.order(try order(number))) }
        loop.settle()
        var seen = 0
        while seen < 100 {
            let open = loop.connections.filter { !$0.isClosed }
            #expect(open.count == min(16, 100 - seen))
            for connection in open { connection.isEnded = true }
            seen += open.count
            loop.settle()
        }
        let processes = loop.connections.map { Int($0.takeOutbox()[11]) }
        #expect(processes == Array(0..<100))
        #expect(replies.withLock { $0.count } == 100)
    }

    @Test func `Clients' own cancels, which need no login, hold up no orphan's, nor the other way round`() throws {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        for number in 0..<10 { dispatcher.receive(.order(try order(number, .client))) }
        for number in 10..<20 { dispatcher.receive(.order(try order(number))) }
        loop.settle()
        for _ in 0..<20 {
            loop.connections.last?.isEnded = true
            loop.settle()
        }
        let processes = loop.connections.map { Int($0.takeOutbox()[11]) }
        #expect(Set(processes) == Set(0..<20))
        for (kind, order) in [(0..<10, Array(0..<10)), (10..<20, Array(10..<20))] {
            #expect(processes.filter(kind.contains) == order)
        }
        #expect(processes.prefix(9).count { $0 >= 10 } == 4)
    }

    @Test func `Of clients' own cancels no more wait than the first 1024; the others fail at once`() throws {
        let dispatcher = dispatcher()
        loop.network = .hangs
        for number in 0..<1100 { dispatcher.receive(.order(try order(number, .client))) }
        dispatcher.receive(.order(try order(1100)))
        loop.settle()
        let turnedAway = replies.withLock { $0.keys.sorted() }
        #expect(turnedAway == Array((1024 + 16)..<1100))
    }

    @Test func `A withdrawn order is never dialled, one under way can't be withdrawn`() throws {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        let (first, second, third) = (try order(1), try order(2), try order(3))
        for order in [first, second, third] { dispatcher.receive(.order(order)) }
        loop.settle()
        #expect(!first.withdraw())
        #expect(second.withdraw())
        loop.connections[0].isEnded = true
        loop.settle()
        #expect(loop.connections.count == 2)
        #expect(loop.connections[1].takeOutbox()[11] == 3)
        #expect(replies.withLock { $0[2] } == nil)
    }

    @Test func `A reply shows nothing about a CancelRequest that follows the monitor's attempt`() throws {
        let order = try order(1)
        #expect(order.beginSignalling() && order.waitAgain())
        #expect(order.beginDialling() && order.beginWriting())
        #expect(!order.answered(), "the monitor may have signalled the backend")
    }

    @Test func `An order withdrawn while it is dialled is never written, and its place is free at once`() throws {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        try messages.open(on: loop) { dispatcher.receive($0) }
        loop.network = .hangs
        let (first, second) = (try order(1), try order(2))
        for order in [first, second] { messages.post(.order(order)) }
        loop.settle()
        #expect(loop.connections.count == 1)
        #expect(!first.answered(), "not written, so not answered")
        #expect(first.withdraw())
        #expect(!first.withdraw() && !first.answered())
        loop.network = .accepts
        loop.settle()
        #expect(loop.connections.map(\.isClosed) == [true, false])
        #expect(loop.connections.map(\.sentCount) == [0, 16])
        #expect(replies.withLock { $0.isEmpty })
    }

    /// The message of the withdrawal has not arrived yet, as between two threads.
    @Test(arguments: [false, true])
    func `A connection that stands after the withdrawal is closed unsent`(connectsAtOnce: Bool) throws {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        let (first, second) = (try order(1), try order(2))
        loop.route = { _ in
            if connectsAtOnce { _ = first.withdraw() }
            return .accepts
        }
        loop.connectsAtOnce = connectsAtOnce
        for order in [first, second] { dispatcher.receive(.order(order)) }
        if !connectsAtOnce { #expect(first.withdraw()) }
        loop.settle()
        #expect(loop.connections.map(\.sentCount) == [0])
        dispatcher.receive(.release(first))
        loop.settle()
        #expect(loop.connections.map(\.isClosed) == [true, false])
        #expect(loop.connections.map(\.sentCount) == [0, 16])
        #expect(replies.withLock { $0.isEmpty })
    }

    @Test func `A cancel that the session's answer shows to have arrived leaves its place at once, without a reply`()
        throws
    {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        try messages.open(on: loop) { dispatcher.receive($0) }
        let (first, second) = (try order(1), try order(2))
        for order in [first, second] { messages.post(.order(order)) }
        loop.settle()
        #expect(!second.answered(), "it waits")
        #expect(first.answered())
        #expect(!first.answered() && !first.withdraw())
        loop.settle()
        #expect(loop.connections.map(\.isClosed) == [false, false], "a pooler may be passing it on yet")
        #expect(loop.connections.map(\.sentCount) == [16, 16])
        loop.connections[0].isEnded = true
        loop.settle()
        #expect(loop.connections.map(\.isClosed) == [true, false])
        #expect(replies.withLock { $0.isEmpty })
    }

    @Test func `Of connections whose cancels have arrived no more stay open than there are places`() throws {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 2
        let dispatcher = dispatcher(limits)
        try messages.open(on: loop) { dispatcher.receive($0) }
        for number in 1...5 {
            let order = try order(number)
            messages.post(.order(order))
            loop.settle()
            #expect(order.answered())
            loop.settle()
        }
        #expect(loop.connections.map(\.isClosed) == [true, true, true, false, false])
        loop.advance(by: limits.attemptTimeout)
        #expect(loop.connections.filter { !$0.isClosed }.isEmpty)
    }

    @Test func `What comes first counts, the answer or the conclusion; the session learns of one of them`() throws {
        let dispatcher = dispatcher()
        let (first, second) = (try order(1), try order(2))
        for order in [first, second] { dispatcher.receive(.order(order)) }
        loop.settle()
        #expect(first.answered())
        for connection in loop.connections { connection.isEnded = true }
        loop.settle()
        #expect(!second.answered() && !second.withdraw())
        for order in [first, second] { dispatcher.receive(.release(order)) }
        #expect(replies.withLock { $0 } == [2: .sent])
        #expect(loop.openSockets == 0 && loop.liveTimers == 0)
    }

    @Test func `A long row of orders that fail at once is worked off without a deep stack`() throws {
        let counters = Counters()
        let dispatcher = dispatcher(counting: counters)
        loop.network = .impossible
        for number in 0..<5000 { dispatcher.receive(.order(try order(number))) }
        loop.advance(by: .seconds(1))
        #expect(counters.cancelsFailed.value == 5000)
        let lines = logged.entries
        #expect((1...20).contains(lines.count), "nobody fills the log")
        #expect(lines.dropLast().allSatisfy { $0.level == .warning && $0.message == "cancel not sent" })
        #expect(lines.last?.message == "log lines suppressed", "it is said in time how many lines were not written")
        #expect(lines.last?.metadata["lines"].map { "\($0)" } == "4990")
        #expect(lines.first?.metadata["pid"].map { "\($0)" } == "0")
    }

    @Test func `A server that hangs holds a place for attempt_timeout, no longer`() throws {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        loop.network = .hangs
        dispatcher.receive(.order(try order(1)))
        loop.settle()
        dispatcher.receive(.order(try order(2)))
        loop.network = .accepts
        loop.advance(by: .milliseconds(4900))
        #expect(loop.connections.count == 1)
        loop.advance(by: .milliseconds(200))
        #expect(loop.connections.count == 2 && loop.connections[0].isClosed)
        #expect(replies.withLock { $0[1] } == .notSent)
        #expect(logged.entries.first?.metadata["reason"] == "timed out")
    }

    @Test
    func `So does a server that takes the request and then neither answers nor closes; the request counts as sent`()
        throws
    {
        var limits = Configuration.Cancel()
        limits.maxConcurrent = 1
        let dispatcher = dispatcher(limits)
        dispatcher.receive(.order(try order(1)))
        dispatcher.receive(.order(try order(2)))
        loop.settle()
        loop.advance(by: .milliseconds(4900))
        #expect(loop.connections.count == 1)
        loop.advance(by: .milliseconds(200))
        #expect(loop.connections.count == 2 && loop.connections[0].isClosed)
        #expect(replies.withLock { $0[1] } == .sent)
    }
}

@Suite struct `The connection to the server` {
    @Test func `Addresses are tried in turn; the first that answers wins`() throws {
        let loop = SimulatedLoop()
        let addresses = (1...3).map { SocketAddress.ipv4(0x7f00_0000 + UInt32($0), port: 1) }
        loop.networks = [addresses[0]: .refuses, addresses[1]: .hangs]
        var winner: SocketAddress?
        let connector = ServerConnector(
            loop: loop, addresses: addresses.map { HostAddress($0, foundBy: "") }, security: .none, timeout: .seconds(1)
        ) { result in
            winner = try? result.get().peerAddress
        }
        connector.start()
        loop.settle()
        #expect(loop.connections.count == 2)
        loop.advance(by: .seconds(2))
        #expect(winner == addresses[2])
        #expect(loop.connections.map(\.isClosed) == [true, true, false])
    }

    @Test func `When none answers, each is named with its reason`() {
        let loop = SimulatedLoop()
        let addresses = (1...2).map { SocketAddress.ipv4(0x7f00_0000 + UInt32($0), port: 1) }
        loop.networks = [addresses[0]: .refuses, addresses[1]: .hangs]
        var message = ""
        let connector = ServerConnector(
            loop: loop, addresses: addresses.map { HostAddress($0, foundBy: "") }, security: .none, timeout: .seconds(1)
        ) { result in
            if case .failure(let error) = result { message = "\(error)" }
        }
        connector.start()
        loop.settle()
        loop.advance(by: .seconds(2))
        #expect(
            message
                == "could not connect to server at 127.0.0.1:1: Connection refused; "
                + "could not connect to server at 127.0.0.2:1: Connection timed out"
        )
    }
}
