// One backend of the fake server: its socket, its execution and its end. FakeBackendProtocol interprets the messages.
// It behaves as PostgreSQL does in everything that pgleash relies on: it reads messages in order, checks for cancels
// between its steps, but not while it is blocked in a write or reads, and discards those that arrive while it waits for
// a command; and while it runs a statement it does not notice that its client has left.

import Reactor
import Simulation

/// A backend process.
final class FakeBackend: Actor {
    /// One step of its work.
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
        /// It read an invalid length, which it treats as the end of the stream.
        case malformed
        /// By itself.
        case died
        /// It wrote to a closed connection.
        case connectionLost
    }

    let socket: SimulatedSocket
    let number: Int
    let preludeLength: Int
    let key: [UInt8]
    /// The client of its session.
    private(set) var client: FakeClient?
    var exitCause: ExitCause?
    /// All bytes that it received, the startup packet included, and all that it sent.
    private(set) var received: [UInt8] = []
    var said: [UInt8] = []
    /// The step of the world from which pgleash can know that it is idle.
    private(set) var idleSince: Int?
    /// The step of the world in which pgleash closed the connection.
    private(set) var closedAt: Int?
    /// The same in nanoseconds of the clock.
    private(set) var closingTime = never
    var transaction = FakeTransaction()
    /// The current Query has several statements.
    var isOneOfSeveral = false
    var isExtended = false
    var ignoresTillSync = false
    /// An extended message came since the last Sync or Query.
    var hasOpenBatch = false
    var prepared: UInt8?
    var portal: UInt8?
    var work: [Work] = []
    /// A step has begun that a cancel should end.
    var isRunning = false
    var cancelPending = false
    /// Copy data was read in the copy under way.
    var hasReadData = false
    /// A Sync was ignored within the copy under way.
    var hasIgnoredSync = false
    /// The same after data, or within a copy that failed. pgleash takes the next ReadyForQuery for the reply to this
    /// Sync, as it may be, and errs towards busy from then on. No driver sends such a sequence.
    var hasIgnoredFailedCopySync = false
    private var hasStarted = false
    var input: [UInt8] = []
    var output: [UInt8] = []
    private var isFlushing = false
    private let capacity: Int
    private var waitsUntil: UInt64?
    var diesAt: UInt64
    /// A system in between has ended the connection to pgleash, and keeps the one to the server.
    var isSevered = false
    /// The pooler has ended the session, and the server continues its statement.
    var isForgotten = false
    /// The pooler has a server for it.
    var hasServer = true
    /// The time at which the pooler will have one, in nanoseconds of the clock.
    var serverComesAt: UInt64?
    /// It ran a statement then that no other was to follow, and pgleash had read all its output.
    var wasSeveredAlone = false

    /// Output is sent at the latest at this size, as PostgreSQL does at 8 kB.
    private static let outputLimit = 64

    /// - Parameter preludeLength: the number of bytes that were sent on the connection before it was the backend's.
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
            // It notices while it is blocked in a write or waits for copy data.
            if runsUnheeding { world.facts.orphans.append((self, "ran on")) }
        }
        lookForClientsEnd()
        noteIdleness()
        poke()
    }

    /// It runs a statement, and does not notice the state of its connection.
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
        // It has no effect while the backend waits for a command.
        cancelPending = false
        return findServer() && readMessage()
    }

    /// The end of the stream was pgleash's close, not the end of one half only.
    private(set) var sawClose = false

    /// Whether pgleash has all information to know that no request is outstanding.
    private func noteIdleness() {
        let isIdle =
            hasStarted && work.isEmpty && !hasOpenBatch && !ignoresTillSync && input.isEmpty && output.isEmpty
            && !hasExited && !isSevered && socket.outboxCount == 0 && socket.inbox.isEmpty
        idleSince = isIdle ? idleSince ?? world.steps : nil
    }

    /// It waits for its client, has read all bytes, and has sent all its output.
    var isAtRest: Bool { idleSince != nil }

    /// It runs a statement that catches every cancel.
    var isStubborn: Bool { if case .wait(_, let catches) = work.first { catches > 3 } else { false } }

    var isCopying: Bool { if case .copyIn = work.first { true } else { false } }

    // MARK: - Writing

    func say(_ bytes: [UInt8]) { output += bytes }

    func startFlush() { isFlushing = true }

    /// Writes its output.
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

    /// Reads a message of the form `kind, length, body`, or the startup packet.
    ///
    /// - Returns: false when there is no complete one.
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

    /// The type of the next message.
    var nextKind: UInt8? { input.first }

    /// - Returns: false when no byte has arrived.
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

    /// Waits for a time or a cancel.
    ///
    /// - Returns: whether the time has come.
    func wait(_ nanoseconds: UInt64?) -> Bool {
        // An excluded session runs no endless statement: it may stay until the server has finished.
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
