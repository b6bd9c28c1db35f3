// The fake PostgreSQL server: takes, refuses or hangs connections, starts a backend for each session and a process for
// each cancel, and knows which process has which key.

import Reactor
import Simulation

/// A server; at which of its addresses a connection arrives makes no difference to it.
final class FakePostgres {
    private unowned let world: World
    private let chance: Chance
    /// One in so many connections of a kind goes wrong; never, where all goes smoothly.
    private let sessionTrouble: Int
    private let cancelTrouble: Int
    let asksForPassword: Bool
    let givesKeys: Bool
    private let secretLength: Int
    private(set) var backends: [FakeBackend] = []

    init(_ world: World) {
        self.world = world
        chance = world.chance
        sessionTrouble = chance.pick([4, 16, 64])
        cancelTrouble = chance.pick([1, 2, 4, 16, .max >> 32])
        asksForPassword = chance.oneIn(4)
        givesKeys = !chance.mishap(24)
        secretLength = chance.oneIn(4) ? 32 : 4
    }

    /// A connection by a session.
    func takeSession(_ socket: SimulatedSocket) -> SimulatedLoop.Network {
        if chance.mishap(sessionTrouble) { return trouble() }
        receive(socket) { [unowned self] behind in
            let backend = FakeBackend(world, socket: socket, number: backends.count, behind: behind)
            backends.append(backend)
            return backend
        }
        return standing()
    }

    /// A connection by the dispatcher.
    func takeCancel(_ socket: SimulatedSocket) -> SimulatedLoop.Network {
        let (dialledAt, isTroubled) = (world.steps, chance.mishap(cancelTrouble))
        if chance.mishap(cancelTrouble * 2) {
            let trouble = trouble()
            if case .fails(SystemError(11)) = trouble { world.facts.hasRetried = true }
            return trouble
        }
        if chance.mishap(32) { socket.portion = { min($0, 5) } }
        receive(socket) { [unowned self] _ in
            FakeCancel(world, socket: socket, dialledAt: dialledAt, isTroubled: isTroubled)
        }
        return standing()
    }

    /// Over TCP it may begin with an SSLRequest.
    private func receive(_ socket: SimulatedSocket, admit: @escaping (_ behind: Int) -> Actor) {
        world.join(socket.peerAddress?.isUnix == false ? FakeListener(world, socket: socket, admit: admit) : admit(0))
    }

    /// The connection stands at once, or when the other side comes to it.
    private func standing() -> SimulatedLoop.Network { chance.oneIn(2) ? .accepts : .hangs }

    private func trouble() -> SimulatedLoop.Network {
        switch chance.below(6) {
        case 0: .hangs
        case 1: .impossible
        case 2: .fails(SystemError(11))
        case 3: .fails(SystemError(24))
        default: .refuses
        }
    }

    /// A process ID and a secret that no other backend has.
    func key(for number: Int) -> [UInt8] {
        [0, 0, 1, UInt8(number)] + (0..<secretLength).map { _ in UInt8(chance.below(256)) }
    }

    /// What a client's own cancel says: most often the key of somebody.
    func keyForCancel() -> [UInt8] {
        guard !backends.isEmpty, !chance.oneIn(4) else { return [0, 0, 9, 9, 1, 2, 3, 4] }
        return chance.pick(backends).key
    }

    func backend(withKey key: ArraySlice<UInt8>) -> FakeBackend? {
        backends.first { $0.key[...] == key }
    }
}

/// The process that a CancelRequest is forked for.
final class FakeCancel: Actor {
    enum Trouble {
        /// Closes and does nothing.
        case ignores
        /// Neither reads nor closes for a long time.
        case hangs
        /// Ends with a reset.
        case resets
        /// The signal goes out late.
        case delays
    }

    let socket: SimulatedSocket
    /// When the dispatcher began to connect, in steps of the world.
    let dialledAt: Int
    /// The backend its key belongs to, once it was sent.
    private(set) var target: FakeBackend?
    private(set) var hasPacket = false
    private let trouble: Trouble?
    private var packet: [UInt8] = []
    private var isDelayed = false
    private var isDone = false

    init(_ world: World, socket: SimulatedSocket, dialledAt: Int, isTroubled: Bool) {
        (self.socket, self.dialledAt) = (socket, dialledAt)
        trouble = isTroubled ? world.chance.pick([.ignores, .hangs, .resets, .delays]) : nil
        super.init(world)
        socket.peer = self
        wakeAt = world.now + world.chance.latency()
    }

    override func socketChanged(_ socket: SimulatedSocket) {
        if !hasPacket, socket.outboxCount >= 16 {
            hasPacket = true
            world.facts.noteCancel(self, socket.outbox, world)
            target = world.server.backend(withKey: socket.outbox[8...])
        }
        poke()
    }

    override func step() {
        guard !isDone else { return }
        socket.isAnswered = true
        if socket.outboxCount > 0 { packet += socket.takeOutbox(socket.outboxCount) }
        guard packet.count >= 16 else { return socket.isClosed ? isDone = true : () }
        if !isDelayed, trouble == .delays || trouble == .hangs {
            isDelayed = true
            wakeAt = world.now + UInt64(world.chance.below(trouble == .hangs ? 20_000 : 100)) * 1_000_000
            return
        }
        // Woken before its time, by the end of the connection.
        finish()
    }

    override func poke() { if !isDelayed { super.poke() } }

    private func finish() {
        isDone = true
        if trouble != .ignores { deliver() }
        if trouble == .resets { socket.error = SystemError(104) } else { socket.isEnded = true }
    }

    private func deliver() {
        world.trace("a cancel reaches the server: \(text(packet[8...]))")
        // A pooler that knows no such session says nothing of it.
        if target?.isForgotten == true { return }
        if let target, !target.hasExited { return target.interrupt() }
        world.facts.unmatched.append(.init(target: target, wasAbandoned: socket.isClosed))
    }
}
