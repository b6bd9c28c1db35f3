// One schedule: a real worker and a real dispatcher, each on its own loop, with fake clients and a fake server; the
// seed determines the order of their actions.

import CancelPolicy
import Logging
import Proxy
import Reactor
import Settings
import Simulation
import Telemetry
import Upstream

/// A simulated world, from its seed to its end.
final class World {
    let seed: UInt64
    let chance: Chance
    let facts: Facts
    private(set) var configuration: Configuration
    let counters = Counters()
    let dispatcherCounters = Counters()
    let load = Quota()
    let sessionQuota: Quota
    let keys: CancelKeyDirectory
    let dispatcherLoop: SimulatedLoop
    /// Not random, so that the other worlds do not change.
    let hasPooler: Bool
    private let hasMonitor: Bool
    private var monitors: [Monitor] = []
    private(set) lazy var server = FakePostgres(self)
    private(set) var clients: [FakeClient] = []
    /// The number of steps; all events within one are simultaneous.
    private(set) var steps = 0
    private(set) var isDraining = false

    private let clock = SimulatedClock()
    private let start: UInt64
    private let workerLoop: SimulatedLoop
    private let worker: Worker
    private let dispatcher: CancelDispatcher
    private let messages = Mailbox<WorkerMessage>()
    private var loops: [LoopActor] = []
    private var actors: [Actor] = []
    private let isTraced: Bool

    /// Far more than any schedule needs (the longest of 100,000 takes 3,204): a schedule with more never becomes idle.
    static let mostSteps = 20_000

    /// `sslmode = prefer`; one object for all worlds, as OpenSSL is slow to initialize.
    private static let security = Result { try Security(Configuration()) }
    private static let dispatcherSecurity = Result { try ServerSecurity(Configuration().server.tls) }

    init(seed: UInt64, isTraced: Bool = false) throws {
        let (chance, facts) = (Chance(seed: seed), Facts())
        (self.seed, self.chance, self.facts, self.isTraced) = (seed, chance, facts, isTraced)
        let clientCount = chance.pick([1, 1, 1, 1, 2, 2, 2, 3, 3, 4])
        configuration = Self.drawConfiguration(chance, clientCount)
        sessionQuota = Quota(configuration.listen.maxSessions)
        hasPooler = seed % 7 == 0
        workerLoop = SimulatedLoop(receiveBufferSize: chance.pick([16, 64, 512]), clock: clock)
        dispatcherLoop = SimulatedLoop(receiveBufferSize: 16, clock: clock)
        start = clock.now.nanoseconds
        let orders = Mailbox<DispatcherMessage>()
        // Not random, so that the other worlds do not change.
        let isTCP = seed % 3 == 0
        hasMonitor = seed % 6 == 0
        if seed % 12 == 0 { configuration.cancel.terminateAfter = .milliseconds(200) }
        let addresses = (0..<(chance.oneIn(4) ? 2 : 1)).map { (number: UInt16) in
            HostAddress(
                isTCP ? .ipv4(0x7f00_0001, port: 5432 + number) : .unix(path: "server \(number)"), foundBy: "localhost"
            )
        }
        var log = Logger(label: "simulation") { _ in FactsLog(facts: facts) }
        log.logLevel = .debug
        let (monitorLoop, monitorLog) = (dispatcherLoop, log)
        let monitors = Monitors { address, mailbox, monitors in
            facts.startMonitor?(address, mailbox, monitors)
        }
        let environment = WorkerEnvironment(
            configuration: configuration, upstream: .addresses(addresses), security: try Self.security.get(),
            sessionQuota: sessionQuota,
            dispatcher: orders, monitors: hasMonitor ? monitors : nil, log: log
        )
        keys = environment.keys
        let worker = try Worker(
            loop: workerLoop, mailbox: messages, counters: counters, load: load, environment: environment
        )
        let dispatcher = CancelDispatcher(
            loop: dispatcherLoop, limits: configuration.cancel, security: try Self.dispatcherSecurity.get(),
            monitors: hasMonitor ? monitors : nil, counters: dispatcherCounters, log: log
        )
        (self.worker, self.dispatcher) = (worker, dispatcher)
        try messages.open(on: workerLoop) { worker.receive($0) }
        try orders.open(on: dispatcherLoop) { message in
            switch message {
            case .order(let order): facts.noteOrder(order)
            case .release, .monitorConcluded: break
            }
            dispatcher.receive(message)
        }
        facts.isRunning = { [unowned self] number in
            server.backends.contains { $0.client?.number == number && $0.isRunning && !$0.isCopying }
        }
        if isTraced { facts.trace = { [unowned self] in trace($0) } }
        facts.startMonitor = { [unowned self] address, mailbox, monitors in
            let monitor = Monitor(
                address, loop: monitorLoop, log: monitorLog, connect: { FakeMonitor(self, $1) },
                becameReady: { monitors.set($0, at: address.address) },
                conclude: { orders.post(.monitorConcluded($0, $1)) }
            )
            self.monitors.append(monitor)
            try? mailbox.open(on: monitorLoop) { [unowned monitor] in monitor.take($0) }
            monitor.start()
        }
        if hasMonitor { monitors.open(addresses) }
        people(clientCount)
    }

    deinit {
        workerLoop.tearDown()
        dispatcherLoop.tearDown()
    }

    private static func drawConfiguration(_ chance: Chance, _ clientCount: Int) -> Configuration {
        var configuration = Configuration()
        configuration.listen.maxSessions = chance.oneIn(16) ? max(1, clientCount - 1) : 10
        configuration.listen.authenticationTimeout = chance.oneIn(8) ? .milliseconds(20) : .seconds(60)
        configuration.listen.keepalive = Keepalive(
            idle: .seconds(2), interval: .seconds(1), count: 2, userTimeout: .zero
        )
        configuration.server.connectTimeout = chance.pick([.milliseconds(100), .seconds(1)])
        configuration.cancel.timeout = chance.pick([.milliseconds(300), .seconds(3), .seconds(30)])
        configuration.cancel.attemptTimeout = chance.pick([.milliseconds(50), .milliseconds(500), .seconds(5)])
        configuration.cancel.maxConcurrent = 1 + chance.below(3)
        configuration.cancel.grace = chance.oneIn(8) ? .milliseconds(20) : .zero
        configuration.cancel.readAhead = chance.pick([0, 100, 1_000_000])
        if chance.oneIn(8) { configuration.cancel.exclusion.users = ["u\(chance.below(clientCount))"] }
        return configuration
    }

    /// Adds the loops, the clients, and possibly the end of pgleash.
    private func people(_ clientCount: Int) {
        loops = [LoopActor(self, workerLoop), LoopActor(self, dispatcherLoop)]
        workerLoop.route = { [unowned self] socket in
            socket.portion = portion
            return server.takeSession(socket)
        }
        for loop in [workerLoop, dispatcherLoop] { loop.connectsAtOnce = true }
        dispatcherLoop.route = { [unowned self] socket in server.takeCancel(socket) }
        for number in 0..<clientCount {
            let role: FakeClient.Role =
                switch number > 0 ? chance.below(16) : chance.below(64) + 2 {
                case 0, 1: .cancel
                case 2: .replication
                case 3: .malformed
                default: .session
                }
            clients.append(FakeClient(self, number: number, role: role))
        }
        actors += clients
        if chance.oneIn(10) { actors.append(Appointment(self, at: now + UInt64(chance.below(400_000_000)), drain)) }
    }

    private var portion: ((Int) -> Int)? {
        chance.isRough ? { [chance] in chance.portion($0) } : nil
    }

    // MARK: - For the actors

    var now: UInt64 { clock.now.nanoseconds }

    func join(_ actor: Actor) { actors.append(actor) }

    /// A client connects, unless pgleash has begun to shut down.
    func accept(_ client: FakeClient) -> SimulatedSocket? {
        guard !isDraining else { return nil }
        load.acquire()
        facts.accepted += 1
        let accepted = AcceptedSocket(descriptor: -1, peer: .unix(path: "\(client.number)"))
        worker.receive(.client(accepted))
        let socket = workerLoop.adopted[workerLoop.adopted.count - 1]
        socket.portion = portion
        socket.peer = client
        return socket
    }

    private func drain() {
        trace("pgleash is told to stop")
        isDraining = true
        messages.post(.drain { [facts] in facts.drained += 1 })
    }

    /// The sessions that the worker has.
    func sessionsLeft() -> Int {
        worker.receive(.report { [facts] in facts.sessionsLeft = $0.count })
        return facts.sessionsLeft
    }

    var socketsLeft: Int { workerLoop.openSockets + dispatcherLoop.openSockets }
    var timersLeft: Int { workerLoop.liveTimers + dispatcherLoop.liveTimers }

    func backend(of client: FakeClient) -> FakeBackend? {
        server.backends.first { $0.client === client }
    }

    func outcome(of backend: FakeBackend) -> Outcome? {
        facts.reaped.first { $0.client == backend.client?.number }?.outcome
    }

    // MARK: - The run

    /// Lets all actors act, each at its time, until none has anything left to do.
    func run() {
        while let next = nextActor() {
            steps += 1
            guard steps < Self.mostSteps else { return facts.isEndless = true }
            if next.wakeAt > now { clock.now = MonotonicTime(nanoseconds: next.wakeAt) }
            next.wakeAt = never
            next.step()
            facts.mostCancels = max(facts.mostCancels, dispatcherLoop.mostOpenSocketsToOneAddress)
        }
    }

    private func nextActor() -> Actor? {
        var next: Actor?
        var earliest = never
        for loop in loops {
            loop.look()
            if loop.wakeAt < earliest { (next, earliest) = (loop, loop.wakeAt) }
        }
        for actor in actors where actor.wakeAt < earliest { (next, earliest) = (actor, actor.wakeAt) }
        return next
    }

    func trace(_ text: @autoclosure () -> String) {
        guard isTraced else { return }
        let microseconds = (now - start) / 1000
        print("\(microseconds / 1000).\(String(microseconds % 1000 + 1000).dropFirst()) ms  \(text())")
    }
}

/// One of pgleash's threads.
final class LoopActor: Actor {
    private let loop: SimulatedLoop
    private var readyAt = never
    private var timersAreLate: UInt64 = 0

    init(_ world: World, _ loop: SimulatedLoop) {
        self.loop = loop
        super.init(world)
    }

    /// Checks when there will be work.
    func look() {
        if !loop.isReady {
            readyAt = never
        } else if readyAt == never {
            readyAt = world.now + world.chance.lateness()
        }
        wakeAt = min(readyAt, loop.nextDue.map { $0.nanoseconds + timersAreLate } ?? never)
    }

    override func step() {
        readyAt = never
        timersAreLate = world.chance.mishap(4) ? world.chance.lateness() : 0
        loop.iterate(from: world.chance.below(8))
    }
}
