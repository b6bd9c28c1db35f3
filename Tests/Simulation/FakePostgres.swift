// The fake PostgreSQL server: it accepts, refuses or hangs connections, starts a backend for each session and a process
// for each cancel, and maps keys to processes.

import Reactor
import Simulation

/// A server; the address at which a connection arrives makes no difference.
final class FakePostgres {
    private unowned let world: World
    private let chance: Chance
    /// One in so many connections of a kind fails; none, without faults.
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

    /// Over TCP it can begin with an SSLRequest.
    private func receive(_ socket: SimulatedSocket, admit: @escaping (_ behind: Int) -> Actor) {
        world.join(socket.peerAddress?.isUnix == false ? FakeListener(world, socket: socket, admit: admit) : admit(0))
    }

    /// The connection is established at once, or when the other side responds.
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

    /// The key in a client's own cancel: most often an existing one.
    func keyForCancel() -> [UInt8] {
        guard !backends.isEmpty, !chance.oneIn(4) else { return [0, 0, 9, 9, 1, 2, 3, 4] }
        return chance.pick(backends).key
    }

    func backend(withKey key: ArraySlice<UInt8>) -> FakeBackend? {
        backends.first { $0.key[...] == key }
    }
}

/// The process for a CancelRequest.
final class FakeCancel: Actor {
    enum Trouble {
        /// Closes without an effect.
        case ignores
        /// Neither reads nor closes for a long time.
        case hangs
        /// Ends with a reset.
        case resets
        /// Sends the signal late.
        case delays
    }

    let socket: SimulatedSocket
    /// The start of the dispatcher's connection attempt, in steps of the world.
    let dialledAt: Int
    /// The backend of its key, once it was sent.
    private(set) var target: FakeBackend?
    private(set) var hasPacket = false
    private let trouble: Trouble?
    private let openingTime: UInt64
    private var closingTime: UInt64?
    private var packet: [UInt8] = []
    private var isDelayed = false
    private var isSecondSignalDue = false
    private var isDone = false

    init(_ world: World, socket: SimulatedSocket, dialledAt: Int, isTroubled: Bool) {
        (self.socket, self.dialledAt) = (socket, dialledAt)
        trouble = isTroubled ? world.chance.pick([.ignores, .hangs, .resets, .delays]) : nil
        openingTime = world.now
        super.init(world)
        socket.peer = self
        wakeAt = world.now + world.chance.latency()
    }

    override func socketChanged(_ socket: SimulatedSocket) {
        if socket.isClosed, closingTime == nil { closingTime = world.now }
        if !hasPacket, socket.outboxCount >= 16 {
            hasPacket = true
            world.facts.noteCancel(self, socket.outbox, world)
            target = world.server.backend(withKey: socket.outbox[8...])
        }
        poke()
    }

    override func step() {
        guard !isDone else { return }
        if isSecondSignalDue {
            if let target, !target.hasExited, !target.isForgotten { target.interrupt() }
            return end()
        }
        socket.isAnswered = true
        if socket.outboxCount > 0 { packet += socket.takeOutbox(socket.outboxCount) }
        guard packet.count >= 16 else { return socket.isClosed ? isDone = true : () }
        if !isDelayed, trouble == .delays || trouble == .hangs {
            isDelayed = true
            wakeAt = world.now + UInt64(world.chance.below(trouble == .hangs ? 20_000 : 100)) * 1_000_000
            return
        }
        // Woken early by the end of the connection.
        finish()
    }

    override func poke() { if !isDelayed { super.poke() } }

    private func finish() {
        if trouble != .ignores { deliver() }
        // PostgreSQL up to 16 signals the process, and then its process group: a cancel can end two statements.
        guard trouble == nil, world.chance.oneIn(4) else { return end() }
        (isDelayed, isSecondSignalDue) = (true, true)
        wakeAt = world.now + UInt64(world.chance.below(3_000_000))
    }

    private func end() {
        isDone = true
        if trouble == .resets { socket.error = SystemError(104) } else { socket.isEnded = true }
    }

    private func deliver() {
        world.trace("a cancel reaches the server: \(text(packet[8...]))")
        // A pooler without such a session sends nothing.
        if target?.isForgotten == true { return }
        if let target, !target.hasExited { return target.interrupt() }
        world.facts.unmatched.append(.init(target: target, wasAbandoned: wasAbandoned))
    }

    /// Its connection was closed because it took too long, and not because it was taken to have arrived. The attempt
    /// began before the connection was accepted.
    private var wasAbandoned: Bool {
        guard let closingTime else { return false }
        return closingTime - openingTime >= UInt64(world.configuration.cancel.attemptTimeout.wholeNanoseconds) / 2
    }
}
