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

/// A connection that the test controls.
private final class ScriptedConnection: MonitorConnection {
    let localAddress: SocketAddress? = .ipv4(0x7f00_0001, port: 4000)
    let report: (PQConnection.Event) -> Void
    private(set) var statements: [[String]] = []
    private(set) var isClosed = false

    init(_ report: @escaping (PQConnection.Event) -> Void) { self.report = report }

    func start() {}
    func run(_ statement: PQStatement, _ parameters: [String]) { statements.append(parameters) }
    func close() { isClosed = true }

    /// The login, with the right roles unless others are given.
    func logIn(canSignal: Bool = true, address: String? = "127.0.0.1", port: String? = "4000") {
        report(.opened)
        report(.rows([["pgleash", "f", canSignal ? "t" : "f", "t", address, port, "15.18", "f"]]))
        if canSignal, port == "4000" { report(.rows([])) }
    }
}

@Suite struct `The monitor` {
    private let loop = SimulatedLoop()
    private let counters = Counters()
    private let replies = Locked<[Int: Reaper.CancelResult]>([:])
    private let logged = InMemoryLogHandler()
    private let readiness = MonitorReadiness()
    private let world = ConnectionList()

    private final class ConnectionList {
        var all: [ScriptedConnection] = []
    }

    private func dispatcher() -> CancelDispatcher {
        let log = Logger(label: "") { [logged] _ in logged }
        let monitors = Monitors(loop: loop, readiness: readiness, log: log) { [world] in
            let connection = ScriptedConnection($1)
            world.all.append(connection)
            return connection
        }
        let dispatcher = CancelDispatcher(
            loop: loop, limits: .init(), security: .none, monitors: monitors, counters: counters, log: log
        )
        dispatcher.receive(.serverResolved([HostAddress(Self.server, foundBy: "db")]))
        return dispatcher
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
        let dispatcher = dispatcher()
        world.all[0].logIn(address: "10.0.0.7")
        #expect(readiness.count == 1)
        dispatcher.receive(.order(try order(1)))
        for number in 2...3 { dispatcher.receive(.order(try order(number, .terminate))) }
        dispatcher.receive(.order(try order(4, hasKey: false, from: 0x7f00_0002)))
        #expect(world.all[0].statements.dropFirst(2) == [["{0}", "{1}", "{10.0.0.7}", "{5001}", "{f}"]])
        world.all[0].report(.rows([["0", "true"]]))
        let parameters = [
            "{0,1,2}", "{2,3,NULL}", "{10.0.0.7,10.0.0.7,127.0.0.2}", "{5002,5003,5004}", "{t,t,f}",
        ]
        #expect(world.all[0].statements.last == parameters)
        world.all[0].report(.rows([["0", "true"], ["1", "spared"], ["2", "true"]]))
        #expect(replies.withLock { $0 } == [1: .sent, 2: .sent, 3: .spared, 4: .sent])
        #expect(counters.cancelsSent[.monitor].value == 2 && counters.backendsTerminated.value == 1)
        #expect(loop.connections.isEmpty && loop.liveTimers == 0)
    }

    @Test func `signals 5,000 backends by a few statements`() throws {
        let dispatcher = dispatcher()
        world.all[0].logIn()
        for number in 0..<5000 { dispatcher.receive(.order(try order(number))) }
        var counts: [Int] = []
        while counts.reduce(0, +) < 5000 {
            let numbers = try #require(world.all[0].statements.last?[0].dropFirst().dropLast().split(separator: ","))
            counts.append(numbers.count)
            world.all[0].report(.rows(numbers.map { [String($0), "true"] }))
        }
        #expect(counts == [1, 1000, 1000, 1000, 1000, 999])
        #expect(counters.cancelsSent[.monitor].value == 5000 && loop.connections.isEmpty)
    }

    @Test func `names a link-local address without its scope`() throws {
        let local = SocketAddress.ipv6(high: 0xfe80 << 48, low: 1, port: 5000, scope: 1)
        let order = CancelOrder(
            .orphan, CancelRoute(to: HostAddress(Self.server, foundBy: "db"), .plain), key: nil,
            backend: BackendIdentity(processID: nil, local: local), dispatcher: Mailbox()
        ) { _ in }
        let dispatcher = dispatcher()
        world.all[0].logIn()
        dispatcher.receive(.order(order))
        #expect(world.all[0].statements.last?[2] == "{fe80::1}")
    }

    @Test(
        arguments: [[["0", "refused"]], [], [["0", "false"]], [["7", "true"]], [["x", nil]], [[nil]]] as [[[String?]]])
    func `hands over what it has not signalled, and only a cancel with a key can go as a CancelRequest`(
        rows: [[String?]]
    ) throws {
        let dispatcher = dispatcher()
        world.all[0].logIn()
        for order in [try order(1), try order(2, .terminate), try order(3, hasKey: false)] {
            dispatcher.receive(.order(order))
            world.all[0].report(.rows(rows))
        }
        #expect(replies.withLock { $0 } == [2: .notSent, 3: .notSent])
        #expect(loop.connections.count == 1 && counters.cancelsSent[.monitor].value == 0)
        #expect(logged.entries.last?.message == "cancel not sent")
    }

    @Test func `is not waited for when it is slow, and used again after that`() throws {
        let dispatcher = dispatcher()
        world.all[0].logIn()
        for number in 1...3 { dispatcher.receive(.order(try order(number))) }
        loop.advance(by: .milliseconds(49))
        #expect(loop.connections.isEmpty)
        loop.advance(by: .milliseconds(3))
        let processes = loop.connections.map { $0.takeOutbox()[11] }
        #expect(processes == [1, 2, 3] && readiness.count == 0)
        dispatcher.receive(.order(try order(4)))
        loop.settle()
        #expect(loop.connections.count == 4)
        world.all[0].report(.rows([["0", "true"]]))
        #expect(readiness.count == 1 && counters.cancelsSent[.monitor].value == 0)
        dispatcher.receive(.order(try order(5)))
        #expect(world.all[0].statements.last?[1] == "{5}")
    }

    @Test func `is connected anew after ten seconds without an answer`() throws {
        let dispatcher = dispatcher()
        world.all[0].logIn()
        dispatcher.receive(.order(try order(1)))
        loop.advance(by: .seconds(9))
        #expect(!world.all[0].isClosed)
        loop.advance(by: .seconds(2))
        #expect(world.all[0].isClosed && world.all.count == 2)
        loop.advance(by: .seconds(10))
        #expect(world.all[1].isClosed, "a login may hang, too")
    }

    @Test func `loses nothing when its connection breaks, at any step`() throws {
        let dispatcher = dispatcher()
        let lost = PQConnection.Event.lost(reason: "gone", wasPasswordRefused: false)
        world.all[0].logIn()
        for number in 1...3 { dispatcher.receive(.order(try order(number))) }
        world.all[0].report(lost)
        loop.settle()
        #expect(loop.connections.map { $0.takeOutbox()[11] } == [1, 2, 3] && readiness.count == 0)
        loop.advance(by: .milliseconds(300))
        world.all[1].report(lost)
        loop.advance(by: .milliseconds(600))
        world.all[2].report(.opened)
        world.all[2].report(lost)
        loop.advance(by: .seconds(1))
        world.all[3].report(.opened)
        world.all[3].report(.failed("permission denied"))
        loop.advance(by: .seconds(2))
        world.all[4].logIn()
        #expect(readiness.count == 1)
        let messages = logged.entries.map { "\($0.message)" }
        let failures = ["monitor connection failed", "monitor can't be used"]
        #expect(messages == ["monitor connected"] + failures + ["monitor connected"], "each reason is logged once")
    }

    @Test func `tries a refused password again after a minute, then ever more slowly`() throws {
        let dispatcher = dispatcher()
        let refused = PQConnection.Event.lost(reason: "no", wasPasswordRefused: true)
        var attempts: [Int] = []
        for second in 0..<4000 {
            if attempts.count < world.all.count {
                attempts.append(second)
                world.all[world.all.count - 1].report(refused)
            }
            loop.advance(by: .seconds(1))
        }
        withExtendedLifetime(dispatcher) {}
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
        let dispatcher = dispatcher()
        world.all[0].logIn(canSignal: canSignal, address: address, port: port)
        #expect(readiness.count == 0 && logged.entries.first?.metadata["reason"] == "\(reason)")
        dispatcher.receive(.order(try order(1)))
        loop.settle()
        #expect(loop.connections.count == 1)
        loop.advance(by: .seconds(1))
        world.all[1].logIn()
        #expect(readiness.count == 1, "rights may be granted later")
    }

    @Test func `signals no order that was withdrawn, and hands none over`() throws {
        let dispatcher = dispatcher()
        world.all[0].logIn()
        let orders = try (1...4).map { try order($0) }
        for order in orders { dispatcher.receive(.order(order)) }
        #expect(orders[1].withdraw(), "it waits")
        #expect(!orders[0].withdraw(), "the statement has it")
        world.all[0].report(.rows([]))
        #expect(world.all[0].statements.last?[1] == "{3,4}")
        #expect(!orders[2].withdraw() && orders[3].answered())
        world.all[0].report(.lost(reason: "", wasPasswordRefused: false))
        loop.settle()
        #expect(loop.connections.isEmpty)
        #expect(replies.withLock { $0 } == [1: .withdrawn, 3: .withdrawn])
    }

    @Test func `has no connection for a Unix socket, and one for each new address`() throws {
        let dispatcher = dispatcher()
        let socket = HostAddress(.unix(path: "/run/postgresql/.s.PGSQL.5432"), foundBy: "/run/postgresql")
        let other = HostAddress(.ipv4(0x0a00_0001, port: 5432), foundBy: "db")
        dispatcher.receive(.serverResolved([socket, other]))
        dispatcher.receive(.serverResolved([socket, other]))
        #expect(world.all.count == 2)
    }
}

extension Locked<[Int: Reaper.CancelResult]> {
    fileprivate subscript(number: Int) -> Reaper.CancelResult? {
        get { withLock { $0[number] } }
        set { withLock { $0[number] = newValue } }
    }
}
