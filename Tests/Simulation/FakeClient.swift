// A client of the simulated world: it sends its messages in pieces, reads or does not, and leaves in one of many ways,
// at any time.

import PostgresProtocol
import Reactor
import Simulation
import TestSupport

/// One client, from before its connection until after its end.
final class FakeClient: Actor {
    enum Role {
        case session
        case replication
        /// Sends another session's cancel key.
        case cancel
        /// Sends an invalid first packet.
        case malformed
    }

    enum Farewell: CaseIterable {
        case fin, reset, terminate, halfClose, timeout
        /// Its host stops responding, which the kernel notices late where data is on its way.
        case silence
    }

    /// The time after which the kernel notices it in any case, in nanoseconds.
    private static let longestSilence: UInt64 = 10_000_000_000

    let number: Int
    let role: Role
    private(set) var socket: SimulatedSocket?
    /// All its messages after its requests for encryption.
    private(set) var script: [UInt8]
    private(set) var position = 0
    private(set) var received: [UInt8] = []
    /// The bytes of its requests for encryption.
    private(set) var preludeLength = 0
    private(set) var hasLeft = false
    /// In nanoseconds of the clock.
    private(set) var leavingTime = never
    /// The time at which pgleash closed its side of the connection, in nanoseconds of the clock.
    private(set) var closingTime = never

    private var prelude: [[UInt8]]
    private var isAwaitingRefusal = false
    private let farewell: Farewell
    private let leavesAfter: Int
    private let leavingDelay: UInt64
    /// It reads nothing after this byte of its script.
    private let stallsAfter: Int
    private let capacity: Int
    private let room: Int
    private let timeout: UInt64
    private var leavesAt = never
    private var lastActivity: UInt64 = 0
    private var hasReset = false

    init(_ world: World, number: Int, role: Role) {
        let chance = world.chance
        (self.number, self.role) = (number, role)
        let frontend = RandomFrontend(chance: chance)
        var script = RandomFrontend.startup(client: number, isReplication: role == .replication)
        if world.server.asksForPassword { script += message("p", Array("secret\0".utf8)) }
        script += frontend.conversation()
        if role == .malformed { script = chance.pick([[0, 0, 0, 4], [0, 0, 0, 8, 0, 2, 0, 0], [255, 0, 0, 0, 1]]) }
        self.script = script
        prelude =
            chance.oneIn(8)
            ? chance.pick([[Frontend.sslRequest], [Frontend.gssEncryptionRequest, Frontend.sslRequest]]) : []
        farewell = chance.pick(Farewell.allCases)
        leavesAfter = chance.oneIn(2) ? chance.below(script.count + 1) : script.count
        leavingDelay = chance.oneIn(2) ? chance.latency() : chance.oneIn(2) ? never : UInt64(chance.below(100_000_000))
        stallsAfter = chance.mishap(8) ? chance.below(script.count + 1) : .max
        (capacity, room) = (chance.capacity(), chance.capacity())
        timeout = chance.pick([100, 1000, 3000]) * 1_000_000
        super.init(world)
        wakeAt = world.now + UInt64(chance.below(chance.oneIn(4) ? 300_000_000 : 20_000_000))
    }

    override func socketChanged(_ socket: SimulatedSocket) {
        if socket.isClosed { closingTime = min(closingTime, world.now) }
        poke()
    }

    override func step() {
        guard let socket else { return connect() }
        guard !socket.isClosed else { return }
        if hasLeft { return linger(socket) }
        read(socket)
        send(socket)
        if socket.isShutDown, socket.outboxCount == 0 { leavesAt = min(leavesAt, world.now + world.chance.latency()) }
        if position >= leavesAfter, leavesAt == never, leavingDelay != never { leavesAt = world.now + leavingDelay }
        let deadline = lastActivity + timeout
        if world.now >= deadline { return leaveAtRest(socket) }
        if world.now >= leavesAt { return leave(socket) }
        sleep(until: min(deadline, leavesAt))
    }

    private func connect() {
        guard let socket = world.accept(self) else { return }
        self.socket = socket
        if role == .cancel { script = Frontend.cancelRequest(world.server.keyForCancel()) }
        socket.room = room
        lastActivity = world.now
        poke()
    }

    private func read(_ socket: SimulatedSocket) {
        guard position < stallsAfter || socket.isShutDown || hasLeft else { return }
        let count = min(socket.outboxCount, world.chance.portion(socket.outboxCount))
        guard count > 0 else { return socket.outboxCount > 0 ? poke() : () }
        lastActivity = world.now
        var bytes = socket.takeOutbox(count)
        world.trace("client \(number) reads \(text(bytes))")
        if isAwaitingRefusal, bytes.first == encryptionRefused[0] {
            bytes.removeFirst()
            isAwaitingRefusal = false
        }
        received += bytes
        if socket.outboxCount > 0 { poke() }
    }

    /// It is excluded from cancelling.
    var isLeftOut: Bool { world.configuration.cancel.exclusion.users.contains("u\(number)") }

    /// Some of its statements control a transaction or the session.
    var usesControl: Bool {
        Statement.words.values.contains { word in
            let letters = Array(word.utf8)
            return script.indices.contains { script[$0...].starts(with: letters) }
        }
    }

    /// The bytes that it has received and those in its socket, without the answer to a request for encryption.
    var answers: [UInt8] {
        let unread = socket?.outbox[...] ?? []
        return received + (isAwaitingRefusal && unread.first == encryptionRefused[0] ? unread.dropFirst() : unread)
    }

    private func send(_ socket: SimulatedSocket) {
        guard !isAwaitingRefusal else { return }
        if let request = prelude.first {
            prelude.removeFirst()
            preludeLength += request.count
            isAwaitingRefusal = true
            socket.inbox += request
            return
        }
        let space = min(capacity - socket.inbox.count, min(script.count, leavesAfter) - position)
        guard space > 0 else { return }
        let count = world.chance.portion(space)
        world.trace("client \(number) sends \(text(script[position..<position + count]))")
        socket.inbox += script[position..<position + count]
        position += count
        if count > 0 { lastActivity = world.now }
        if position < min(script.count, leavesAfter) { poke() }
    }

    // MARK: - The end

    private func leaveAtRest(_ socket: SimulatedSocket) {
        if stallsAfter == .max { world.facts.checkQuiet(self, world) }
        leave(socket)
    }

    private func leave(_ socket: SimulatedSocket) {
        world.trace("client \(number) leaves: \(farewell)")
        (hasLeft, leavingTime) = (true, world.now)
        switch farewell {
        case .fin, .halfClose: end(socket)
        case .reset: socket.error = SystemError(104)
        case .timeout: socket.error = .timedOut
        case .silence:
            socket.isUnanswered = true
            return beSilent(socket)
        case .terminate:
            // A client sends only one Terminate.
            if position == script.count, !isAwaitingRefusal, !script.suffix(5).elementsEqual(Frontend.terminate) {
                script += Frontend.terminate
                position = script.count
                socket.inbox += Frontend.terminate
            }
            end(socket)
        }
        poke()
    }

    /// Often after bytes that do not fit into pgleash's kernel. The value is not random, so that the other worlds do
    /// not change.
    private func end(_ socket: SimulatedSocket) {
        socket.isEndHidden = world.seed % 5 == 0 && world.backend(of: self) != nil
        socket.isEnded = true
    }

    /// A closed socket answers bytes with a reset; a half-closed one is read to the end.
    private func linger(_ socket: SimulatedSocket) {
        if farewell == .silence { return beSilent(socket) }
        guard socket.outboxCount > 0 else { return }
        switch farewell {
        case .halfClose: read(socket)
        case .fin, .terminate:
            if !hasReset { socket.error = SystemError(104) }
            hasReset = true
        case .reset, .timeout, .silence: break
        }
    }

    private func beSilent(_ socket: SimulatedSocket) {
        let end = leavingTime + Self.longestSilence
        if world.now < end { sleep(until: end) } else if !hasReset { (hasReset, socket.error) = (true, .timedOut) }
    }
}

/// Bytes as a trace shows them.
func text(_ bytes: some Sequence<UInt8>) -> String {
    bytes.reduce(into: "") { text, byte in
        text += (33..<127).contains(byte) ? String(UnicodeScalar(byte)) : "\\\(byte)"
    }
}
