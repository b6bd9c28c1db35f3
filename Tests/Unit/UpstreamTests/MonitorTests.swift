// The monitor of one address: what it takes, what it gives back, and when it connects again.

import InMemoryLogging
import LibPQ
import Logging
import Reactor
import Simulation
import Testing

@testable import CancelPolicy
@testable import PostgresProtocol
@testable import Settings
@testable import Telemetry
@testable import Upstream

@Suite struct `The monitor` {
    private let loop = SimulatedLoop()
    private let counters = Counters()
    private let replies = Locked<[Int: Reaper.CancelResult]>([:])
    private let logged = InMemoryLogHandler()
    private let world = World()

    /// The test's own references.
    private final class World: @unchecked Sendable {
        var connections: [ScriptedConnection] = []
        var monitors: [Monitor] = []
        var all: Monitors?
        var dispatcher: CancelDispatcher?
    }

    private var connections: [ScriptedConnection] { world.connections }
    private var readyCount: Int { world.all?.readyCount ?? 0 }

    private func dispatcher() -> CancelDispatcher {
        let log = Logger(label: "") { [logged] _ in logged }
        let (loop, world) = (Shared(loop), world)
        let monitors = Monitors { address, mailbox, monitors in
            let monitor = Monitor(
                address, loop: loop.value, log: log,
                connect: {
                    world.connections.append(ScriptedConnection($1))
                    return world.connections[world.connections.count - 1]
                },
                becameReady: { monitors.set($0, at: address.address) },
                conclude: { world.dispatcher?.receive(.monitorConcluded($0, $1)) }
            )
            world.monitors.append(monitor)
            try? mailbox.open(on: loop.value) { [unowned monitor] in monitor.take($0) }
            monitor.start()
        }
        world.all = monitors
        let dispatcher = CancelDispatcher(
            loop: loop.value, limits: .init(), security: .none, monitors: monitors, counters: counters, log: log
        )
        world.dispatcher = dispatcher
        monitors.open([HostAddress(Self.server, foundBy: "db")])
        return dispatcher
    }

    /// The order reaches the monitor's loop.
    private func give(_ order: CancelOrder) {
        world.dispatcher?.receive(.order(order))
        loop.settle()
    }

    private static let server = SocketAddress.ipv4(0x7f00_0001, port: 5432)

    private func order(
        _ number: Int, _ signal: CancelOrder.Signal = .cancel, hasKey: Bool = true,
        from address: UInt32 = 0x7f00_0001
    ) throws -> CancelOrder {
        let body: [UInt8] = [0, 0, UInt8(number >> 8), UInt8(number & 255), 1, 2, 3, 4]
        let key = hasKey ? CancelKey(backendKeyData: body.span) : nil
        let local = SocketAddress.ipv4(address, port: 5000 + UInt16(number))
        let backend = BackendIdentity(processID: key?.processID, local: local)
        let route = CancelRoute(to: HostAddress(Self.server, foundBy: "db"), .plain)
        return CancelOrder(
            .orphan, route, key: key, backend: backend, signal: signal, dispatcher: Mailbox()
        ) { [replies] in replies[number] = $0 }
    }

    @Test func `signals all backends that wait by one statement, each by its process, address and port`() throws {
        _ = dispatcher()
        connections[0].logIn(address: "10.0.0.7")
        #expect(readyCount == 1)
        give(try order(1))
        for number in 2...3 { give((try order(number, .terminate))) }
        give(try order(4, from: 0x7f00_0002))
        let first = ["{0}", "{1}", "{10.0.0.7}", "{5001}", "{f}", "{f}"] + none + ["{NULL}"]
        #expect(connections[0].statements.dropFirst(3) == [first])
        connections[0].report(.rows([["0", "true"]]))
        let parameters = [
            "{0,1,2}", "{2,3,4}", "{10.0.0.7,10.0.0.7,127.0.0.2}", "{5002,5003,5004}", "{t,t,f}", "{f,f,f}",
        ]
        #expect(connections[0].statements.last == parameters + none + ["{NULL,NULL,NULL}"])
        connections[0].report(.rows([["0", "true"], ["1", "left alone"], ["2", "true"]]))
        #expect(replies.withLock { $0 } == [1: .sent, 2: .sent, 3: .leftAlone, 4: .sent])
        #expect(counters.cancelsSent[.monitor].value == 2 && counters.backendsTerminated.value == 1)
        #expect(loop.connections.isEmpty && loop.liveTimers == 0)
    }

    /// The names that are excluded.
    private let none = ["{}", "{}", "{}"]

    @Test func `finds backends of sessions that can't be read by their address and port`() throws {
        _ = dispatcher()
        connections[0].logIn()
        give(try order(1, .terminateIfActive, hasKey: false))
        connections[0].report(.rows([]))
        for number in 2...4 { give(try order(number, .terminateIfActive, hasKey: false)) }
        #expect(replies[1] == .notFound)
        connections[0].report(.rows([["0", "not running"]]))
        connections[0].report(.rows([["0", "excluded"], ["1", "true"]]))
        #expect(replies.withLock { $0 } == [1: .notFound, 2: .notRunning, 3: .excluded, 4: .sent])
        #expect(counters.backendsTerminated.value == 1 && loop.connections.isEmpty)
    }

    @Test func `signals 5,000 backends by a few statements`() throws {
        _ = dispatcher()
        connections[0].logIn()
        for number in 0..<5000 { give((try order(number))) }
        var counts: [Int] = []
        while counts.reduce(0, +) < 5000 {
            let numbers = try #require(connections[0].statements.last?[0].dropFirst().dropLast().split(separator: ","))
            counts.append(numbers.count)
            connections[0].report(.rows(numbers.map { [String($0), "true"] }))
        }
        #expect(counts == [1, 1000, 1000, 1000, 1000, 999])
        #expect(counters.cancelsSent[.monitor].value == 5000 && loop.connections.isEmpty)
    }

    @Test(arguments: [("127.0.0.1", "{NULL}"), ("10.0.0.7", nil)] as [(String, String?)])
    func `signals a backend without a process ID only where no addresses are translated`(
        seen: String, processes: String?
    ) throws {
        _ = dispatcher()
        connections[0].logIn(address: seen)
        give(try order(1, hasKey: false))
        #expect(connections[0].statements.dropFirst(3).first?[1] == processes)
    }

    @Test func `takes no process ID that no server has`() throws {
        _ = dispatcher()
        connections[0].logIn()
        let body: [UInt8] = [0x80, 0, 0, 0, 1, 2, 3, 4]
        let key = CancelKey(backendKeyData: body.span)
        let backend = BackendIdentity(processID: key?.processID, local: .ipv4(0x7f00_0001, port: 5000))
        let route = CancelRoute(to: HostAddress(Self.server, foundBy: "db"), .plain)
        give(CancelOrder(.orphan, route, key: key, backend: backend, dispatcher: Mailbox()) { _ in })
        #expect(connections[0].statements.count == 3 && loop.connections.count == 1)
    }

    @Test func `names a link-local address without its scope`() throws {
        let local = SocketAddress.ipv6(high: 0xfe80 << 48, low: 1, port: 5000, scope: 1)
        let order = CancelOrder(
            .orphan, CancelRoute(to: HostAddress(Self.server, foundBy: "db"), .plain), key: nil,
            backend: BackendIdentity(processID: nil, local: local), dispatcher: Mailbox()
        ) { _ in }
        _ = dispatcher()
        connections[0].logIn()
        give(order)
        #expect(connections[0].statements.last?[2] == "{fe80::1}")
    }

    @Test(
        arguments: [[["0", "refused"]], [], [["0", "false"]], [["7", "true"]], [["x", nil]], [[nil]]] as [[[String?]]])
    func `hands over what it has not signalled, and only a cancel with a key can go as a CancelRequest`(
        rows: [[String?]]
    ) throws {
        _ = dispatcher()
        connections[0].logIn()
        for order in [try order(1), try order(2, .terminate), try order(3, hasKey: false)] {
            give(order)
            connections[0].report(.rows(rows))
        }
        #expect(replies.withLock { $0 } == [2: .notSent, 3: .notSent])
        #expect(loop.connections.count == 1 && counters.cancelsSent[.monitor].value == 0)
        // A backend that the server does not know has most often just exited.
        let isKnown = rows.first?.first == "0"
        #expect((logged.entries.last?.message == "cancel not sent") == isKnown)
    }

    @Test func `is not waited for when it is slow, and used again after that`() throws {
        _ = dispatcher()
        connections[0].logIn()
        for number in 1...3 { give((try order(number))) }
        loop.advance(by: .milliseconds(49))
        #expect(loop.connections.isEmpty)
        loop.advance(by: .milliseconds(3))
        let processes = loop.connections.map { $0.takeOutbox()[11] }
        #expect(processes == [1, 2, 3] && readyCount == 0)
        give(try order(4))
        loop.settle()
        #expect(loop.connections.count == 4)
        connections[0].report(.rows([["0", "true"]]))
        #expect(readyCount == 1 && counters.cancelsSent[.monitor].value == 1, "the first was signalled late")
        give(try order(5))
        #expect(connections[0].statements.last?[1] == "{5}")
    }

    @Test func `is connected anew after ten seconds without an answer`() throws {
        _ = dispatcher()
        connections[0].logIn()
        give(try order(1))
        loop.advance(by: .seconds(9))
        #expect(!connections[0].isClosed)
        loop.advance(by: .seconds(2))
        #expect(connections[0].isClosed && connections.count == 2)
        loop.advance(by: .seconds(10))
        #expect(connections[1].isClosed, "a login may hang, too")
    }

    @Test func `loses nothing when its connection breaks, at any step`() throws {
        _ = dispatcher()
        let lost = PQConnection.Event.lost(reason: "gone", isRefusal: false)
        connections[0].logIn()
        for number in 1...3 { give((try order(number))) }
        connections[0].report(lost)
        loop.settle()
        #expect(loop.connections.map { $0.takeOutbox()[11] } == [1, 2, 3] && readyCount == 0)
        loop.advance(by: .milliseconds(300))
        connections[1].report(lost)
        loop.advance(by: .milliseconds(600))
        connections[2].report(.opened)
        connections[2].report(lost)
        loop.advance(by: .seconds(1))
        connections[3].report(.opened)
        connections[3].report(.failed("permission denied"))
        loop.advance(by: .seconds(2))
        connections[4].logIn()
        #expect(readyCount == 1)
        let messages = logged.entries.map { "\($0.message)" }
        let failures = ["monitor connection failed", "monitor can't be used"]
        #expect(messages == ["monitor connected"] + failures + ["monitor connected"], "each reason is logged once")
    }

    @Test func `tries a refused password again after a minute, then ever more slowly`() throws {
        _ = dispatcher()
        let refused = PQConnection.Event.lost(reason: "no", isRefusal: true)
        var attempts: [Int] = []
        for second in 0..<4000 {
            if attempts.count < connections.count {
                attempts.append(second)
                connections[connections.count - 1].report(refused)
            }
            loop.advance(by: .seconds(1))
        }
        #expect(attempts == [0, 60, 180, 420, 900, 1800, 2700, 3600])
        #expect(logged.entries.count == 1, "it is logged once")
    }

    @Test(
        arguments: [
            (false, "127.0.0.1", "4000", "the role lacks rights: GRANT pg_signal_backend TO \"pgleash\""),
            (true, "127.0.0.1", "4001", "the server sees port 4001 and not 4000: a system in between translates ports"),
            (true, nil, nil, "backends can't be identified over a Unix socket"),
        ] as [(Bool, String?, String?, String)])
    func `takes nothing without its rights, or where ports are translated`(
        canSignal: Bool, address: String?, port: String?, reason: String
    ) throws {
        _ = dispatcher()
        connections[0].logIn(canSignal: canSignal, address: address, port: port)
        #expect(readyCount == 0 && logged.entries.first?.metadata["reason"] == "\(reason)")
        give(try order(1))
        loop.settle()
        #expect(loop.connections.count == 1)
        loop.advance(by: .seconds(1))
        connections[1].logIn()
        #expect(readyCount == 1, "rights may be granted later")
    }

    @Test func `signals no order that was withdrawn, and hands none over`() throws {
        _ = dispatcher()
        connections[0].logIn()
        let orders = try (1...4).map { try order($0) }
        for order in orders { give((order)) }
        #expect(orders[1].withdraw(), "it waits")
        #expect(!orders[0].withdraw(), "the statement has it")
        connections[0].report(.rows([]))
        #expect(connections[0].statements.last?[1] == "{3,4}")
        #expect(!orders[2].withdraw() && orders[3].answered())
        connections[0].report(.lost(reason: "", isRefusal: false))
        loop.settle()
        #expect(loop.connections.isEmpty)
        #expect(replies.withLock { $0 } == [1: .withdrawn, 3: .withdrawn])
    }

    @Test func `has no connection for a Unix socket, and one for each new address`() throws {
        _ = dispatcher()
        let socket = HostAddress(.unix(path: "/run/postgresql/.s.PGSQL.5432"), foundBy: "/run/postgresql")
        let other = HostAddress(.ipv4(0x0a00_0001, port: 5432), foundBy: "db")
        for _ in 1...2 { world.all?.open([socket, other]) }
        #expect(connections.count == 2)
    }
}
