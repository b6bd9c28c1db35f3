// One backend of the fake server: its socket, its processor and its end. What it makes of messages is in
// FakeBackendProtocol. It behaves as PostgreSQL's does in all that pgleash relies on: it reads messages in order,
// looks for cancels between its steps, never while it is blocked in a write or reads, and forgets those that come
// while it waits for a command; and while it runs it doesn't see that its client has gone.

import Reactor
import Simulation

/// A backend process.
final class FakeBackend: Actor {
    /// One step of what it is doing.
    enum Work {
        case statement(UInt8, rowLimit: Int)
        case wait(nanoseconds: UInt64?, catches: Int)
        case rows(Int)
        case say([UInt8])
        case takeEffect(UInt8)
        case commit(nanoseconds: UInt64)
        case copyIn
        case awaitPassword
        case beReady
        case exit
    }

    enum ExitCause {
        /// It read the end of its client's stream.
        case endOfStream
        /// It read Terminate.
        case terminated
        /// It read a length that can't be right, which it takes for the end of the stream.
        case malformed
        /// Of its own accord.
        case died
        /// It wrote to nobody.
        case connectionLost
    }

    let socket: SimulatedSocket
    let number: Int
    let preludeLength: Int
    let key: [UInt8]
    /// The client of the session it was started for.
    private(set) var client: FakeClient?
    var exitCause: ExitCause?
    /// All it was sent, the start-up packet included, and all it said.
    private(set) var received: [UInt8] = []
    var said: [UInt8] = []
    /// The step of the world since which pgleash can know that it is idle.
    private(set) var idleSince: Int?
    /// The step of the world in which pgleash closed the connection.
    private(set) var closedAt: Int?
    /// The same in nanoseconds of the clock.
    private(set) var closingTime = never
    var transaction = FakeTransaction()
    /// The Query it runs has more statements than one.
    var isOneOfSeveral = false
    var isExtended = false
    var ignoresTillSync = false
    /// An extended message came since the last Sync or Query.
    var hasOpenBatch = false
    var prepared: UInt8?
    var portal: UInt8?
    var work: [Work] = []
    /// Something has begun that a cancel is to end.
    var isRunning = false
    var cancelPending = false
    /// Copy data was read in the copy under way.
    var hasReadData = false
    /// A Sync was ignored within the copy under way.
    var hasIgnoredSync = false
    /// The same behind data, or within a copy that failed. pgleash takes the next ReadyForQuery for this Sync's, as it
    /// might be, and leans to busy from there on. No driver sends such a thing.
    var hasIgnoredFailedCopySync = false
    private var hasStarted = false
    var input: [UInt8] = []
    var output: [UInt8] = []
    private var isFlushing = false
    private let capacity: Int
    private var waitsUntil: UInt64?
    var diesAt: UInt64
    /// What stands between has ended the connection to pgleash, and keeps the one to the server.
    var isSevered = false
    /// The pooler has ended the session, and keeps the server busy with what it runs.
    var isForgotten = false
    /// The pooler has a server for it.
    var hasServer = true
    /// When the pooler will have one, in nanoseconds of the clock.
    var serverComesAt: UInt64?
    /// It ran something then that nothing was to follow, and pgleash had read all it had said.
    var wasSeveredAlone = false

    /// Output is sent at the latest when so much has gathered, as PostgreSQL does at 8 kB.
    private static let outputLimit = 64

    /// - Parameter preludeLength: bytes that were sent on the connection before it was the backend's.
    init(_ world: World, socket: SimulatedSocket, number: Int, behind preludeLength: Int) {
        (self.socket, self.number, self.preludeLength) = (socket, number, preludeLength)
        key = world.server.key(for: number)
        capacity = world.chance.capacity()
        diesAt = world.chance.mishap(16) ? world.now + UInt64(world.chance.below(300_000_000)) : never
        super.init(world)
        socket.peer = self
        socket.room = world.chance.capacity()
        wakeAt = world.now + world.chance.latency()
    }

    var hasExited: Bool { exitCause != nil }

    override func socketChanged(_ socket: SimulatedSocket) {
        if client == nil, let session = socket.owner {
            client = world.clients.first { $0.socket?.owner === session }
        }
        if socket.isClosed, closedAt == nil {
            (closedAt, closingTime) = (world.steps, world.now)
            // Blocked in a write or waiting for copy data, it notices.
            if runsUnheeding { world.facts.orphans.append((self, "ran on")) }
        }
        lookForClientsEnd()
        noteIdleness()
        poke()
    }

    /// It runs something, and doesn't see what becomes of its connection.
    var runsUnheeding: Bool { isRunning && !isFlushing && !isCopying && !isSevered }

    /// A cancel's signal arrived.
    func interrupt() {
        cancelPending = true
        poke()
    }

    override func step() {
        guard !hasExited else { return }
        socket.isAnswered = true
        if world.now >= diesAt { return die() }
        if diesAt != never { sleep(until: diesAt) }
        while !hasExited {
            if world.chance.mishap(16) { return poke() }
            guard isFlushing ? flush() : advance() else { break }
        }
        noteIdleness()
    }

    private func advance() -> Bool {
        if !work.isEmpty { return doWork() }
        isRunning = false
        // One that comes while it waits for a command means nothing.
        cancelPending = false
        return findServer() && readMessage()
    }

    /// The end of the stream that it read was pgleash's close, not the end of one half alone.
    private(set) var sawClose = false

    /// Whether pgleash has all it needs to know that nothing is owed.
    private func noteIdleness() {
        let isIdle =
            hasStarted && work.isEmpty && !hasOpenBatch && !ignoresTillSync && input.isEmpty && output.isEmpty
            && !hasExited && !isSevered && socket.outboxCount == 0 && socket.inbox.isEmpty
        idleSince = isIdle ? idleSince ?? world.steps : nil
    }

    /// It waits for its client, has read all there is, and has said all it has to say.
    var isAtRest: Bool { idleSince != nil }

    /// It runs what catches every cancel.
    var isStubborn: Bool { if case .wait(_, let catches) = work.first { catches > 3 } else { false } }

    var isCopying: Bool { if case .copyIn = work.first { true } else { false } }

    // MARK: - Writing

    func say(_ bytes: [UInt8]) { output += bytes }

    func startFlush() { isFlushing = true }

    /// Writes what there is to write.
    ///
    /// - Returns: false when it is blocked.
    private func flush() -> Bool {
        if isSevered { output = [] }
        if socket.isClosed, !isSevered {
            exit(.connectionLost)
            return false
        }
        if !output.isEmpty {
            let space = min(capacity - socket.inbox.count, output.count)
            guard space > 0 else { return false }
            let count = world.chance.portion(space)
            world.trace("backend \(number) writes \(text(output[..<count]))")
            socket.inbox += output[..<count]
            said += output[..<count]
            output.removeFirst(count)
        }
        isFlushing = !output.isEmpty
        if isFlushing { poke() }
        return !isFlushing
    }

    // MARK: - Reading

    /// Reads a message of the form `kind, length, body`, or the start-up packet.
    ///
    /// - Returns: false when there isn't a whole one.
    private func readMessage() -> Bool {
        guard let message = nextMessage() else { return !hasExited && receiveMore() }
        if hasStarted {
            handle(message.kind, message.body)
        } else {
            hasStarted = true
            startUp()
        }
        return !hasExited
    }

    func nextMessage() -> (kind: UInt8, body: ArraySlice<UInt8>)? {
        let kindLength = hasStarted ? 1 : 0
        guard input.count >= kindLength + 4 else { return nil }
        let announced = input[kindLength...].prefix(4).reduce(0) { $0 << 8 + Int($1) }
        guard (4...Int(Int32.max)).contains(announced) else {
            exit(.malformed)
            return nil
        }
        let length = kindLength + announced
        guard input.count >= length else { return nil }
        let (kind, body) = (input[0], input[(kindLength + 4)..<length])
        input.removeFirst(length)
        return (kind, body)
    }

    /// The type of the message to come.
    var nextKind: UInt8? { input.first }

    /// - Returns: false when nothing has come.
    func receiveMore() -> Bool {
        guard !isSevered else { return false }
        let available = socket.outboxCount
        guard available > 0 else {
            if socket.hasEndedSending {
                sawClose = socket.isClosed
                exit(.endOfStream)
            }
            return false
        }
        let count = world.chance.portion(available)
        guard count > 0 else {
            poke()
            return false
        }
        let bytes = socket.takeOutbox(count)
        world.trace("backend \(number) reads \(text(bytes))")
        input += bytes
        received += bytes
        return true
    }

    // MARK: - Running

    /// Waits until a time comes or a cancel.
    ///
    /// - Returns: whether the time has come.
    func wait(_ nanoseconds: UInt64?) -> Bool {
        // Whoever is left out of cancelling has nothing endless: its session may stay until the server is through.
        let longest: UInt64? = client?.isLeftOut == true || client?.role == .replication ? 10_000_000_000 : nil
        let end = waitsUntil ?? (nanoseconds ?? longest).map { world.now + $0 } ?? never
        waitsUntil = end
        guard world.now >= end else {
            sleep(until: end)
            return false
        }
        waitsUntil = nil
        return true
    }

    func stopWaiting() { waitsUntil = nil }

    var outputIsFull: Bool { output.count >= Self.outputLimit }

    func noteStatement() {
        isRunning = true
        if socket.isClosed, !isSevered { world.facts.orphans.append((self, "began")) }
        lookForClientsEnd()
    }
}
