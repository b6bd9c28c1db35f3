// One thread's share of the sessions. Nothing of it is touched by another thread, but for its mailbox and counters.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor
import Settings
import Telemetry
import Upstream

/// What other threads tell a worker.
package enum WorkerLetter: Sendable {
    case client(AcceptedSocket)
    case serverResolved(SessionID, NameResolver.Answer)
    case cancelConcluded(SessionID, Reaper.CancelResult)
    /// Send back a snapshot of the sessions.
    case report(@Sendable ([SessionSnapshot]) -> Void)
    /// End all sessions, then call.
    case drain(@Sendable () -> Void)
}

/// What a worker shares with others.
package struct WorkerEnvironment: Sendable {
    package let configuration: Configuration
    package let upstream: Upstream
    package let ownAddresses: OwnAddresses
    package let security: Security
    package let limit: SessionLimit
    package let dispatcher: Mailbox<DispatcherLetter>
    package let keys = CancelKeyDirectory()
    let readAheadLimit: ReadAheadLimit
    package let log: Logger

    package init(
        configuration: Configuration,
        upstream: Upstream,
        ownAddresses: OwnAddresses = OwnAddresses([]),
        security: Security,
        limit: SessionLimit,
        dispatcher: Mailbox<DispatcherLetter>,
        log: Logger
    ) {
        self.configuration = configuration
        self.upstream = upstream
        self.ownAddresses = ownAddresses
        self.security = security
        self.limit = limit
        self.dispatcher = dispatcher
        self.log = log
        readAheadLimit = ReadAheadLimit(configuration.cancel.readAhead)
    }
}

/// Serves the sessions it is given on its event loop.
package final class Worker {
    let loop: any EventLoop
    let receiveBuffer: ReceiveBuffer
    let configuration: Configuration
    let clientSecurity: ClientSecurity
    let serverSecurity: ServerSecurity
    let counters: Counters
    let limit: SessionLimit
    let ownAddresses: OwnAddresses
    let keys: CancelKeyDirectory
    let readAheadLimit: ReadAheadLimit
    let mailbox: Mailbox<WorkerLetter>
    let log: Logger

    let departures: Departures
    private let dropTurns: DropTurns

    private let upstream: Upstream
    private let dispatcher: Mailbox<DispatcherLetter>
    private let load: WorkerLoad
    private var sessions: [SessionID: Session] = [:]
    private var unseenOrphans: [SessionID: UnseenOrphan] = [:]
    /// Of the newest session: most often the next one takes the same, and need not have its own.
    private var newestRoute: CancelRoute?
    /// Runs while there are sessions.
    private var ticker: (any Ticker)?
    private var nextID: SessionID = 0
    private var throttle = LogThrottle()
    private var drained: (@Sendable () -> Void)?

    /// - Parameter load: counts the sessions given to the worker; it takes those off that ended.
    /// - Throws: `SystemError` where the loop can make no ticker, as there are no descriptors left.
    package init(
        loop: any EventLoop,
        mailbox: Mailbox<WorkerLetter>,
        counters: Counters,
        load: WorkerLoad,
        environment: WorkerEnvironment
    ) throws(SystemError) {
        self.loop = loop
        receiveBuffer = loop.receiveBuffer
        self.mailbox = mailbox
        self.counters = counters
        self.load = load
        configuration = environment.configuration
        upstream = environment.upstream
        clientSecurity = environment.security.client
        serverSecurity = environment.security.server
        limit = environment.limit
        ownAddresses = environment.ownAddresses
        dispatcher = environment.dispatcher
        departures = Departures(loop: loop)
        dropTurns = DropTurns(loop: loop)
        keys = environment.keys
        readAheadLimit = environment.readAheadLimit
        log = environment.log
        ticker = try loop.makeTicker { [unowned self] in lookAtSessions() }
    }

    package func receive(_ letter: WorkerLetter) {
        switch letter {
        case .client(let accepted): open(accepted)
        case .serverResolved(let id, let answer): sessions[id]?.serverResolved(answer)
        case .cancelConcluded(let id, let result):
            sessions[id]?.cancelConcluded(result)
            unseenOrphans[id]?.cancelConcluded(result)
        case .report(let reply):
            let now = loop.now
            reply(sessions.values.map { $0.snapshot(at: now) })
        case .drain(let reply): drain(reply)
        }
    }

    /// Receives what `socket` has, and lends it to `body`. Here, as who borrows the buffer from its owner need not
    /// retain it.
    func receive(from socket: any StreamSocket, _ body: (Span<UInt8>) -> Void) -> Received {
        let received = socket.receive(into: receiveBuffer, limit: receiveBuffer.size)
        if case .bytes(let count) = received { receiveBuffer.withReceived(count, body) }
        return received
    }

    /// Here for the same reason.
    var now: MonotonicTime { loop.now }

    /// - Returns: false where many clients have gone in one instant; then `session` is called when it is its turn.
    func mayDrop(_ session: Session, _ kind: DropKind) -> Bool {
        dropTurns.enter(session.id, kind) { [unowned self] id, kind in
            guard let session = sessions[id], case .relaying = session.stage else { return }
            session.clientDropped(kind)
        }
    }

    private func open(_ accepted: AcceptedSocket) {
        nextID += 1
        let session = Session(id: nextID, worker: self, client: accepted)
        sessions[nextID] = session
        session.start()
        ticker?.start(every: Session.lookPause)
    }

    private func lookAtSessions() {
        let now = loop.now
        let lost = sessions.values.compactMap { session in session.lostSide(at: now).map { (session, $0) } }
        for (session, side) in lost.sorted(by: { $0.0.id < $1.0.id }) { session.peerLost(side) }
        // What is left of a batch may still run, and a Terminate would have a pooler forget it.
        for session in sessions(where: { $0.isTerminateOverdue() || $0.isClientGoneUnseen }) {
            session.clientLeft(.fin)
        }
        if sessions.isEmpty { ticker?.stop() }
    }

    /// In the order they came, as a simulation from a seed must be the same each time.
    private func sessions(where isWanted: (Session) -> Bool) -> [Session] {
        sessions.values.filter(isWanted).sorted { $0.id < $1.id }
    }

    /// Tells `session` where the server is, at once where no name has to be resolved.
    func findServer(for session: Session) {
        switch upstream {
        case .addresses(let addresses): session.serverResolved(.success(addresses))
        case .names(let resolve):
            let (id, mailbox) = (session.id, mailbox)
            resolve { mailbox.post(.serverResolved(id, $0)) }
        }
    }

    /// A connection to `server` would be one to pgleash.
    func isOwn(_ server: HostAddress) -> Bool { ownAddresses.contains(server.address) }

    /// The way that cancels go for a session whose server was dialled at `address`.
    func cancelRoute(to address: HostAddress, _ protection: Protection) -> CancelRoute {
        if let newestRoute, newestRoute.protection == protection, newestRoute.address == address { return newestRoute }
        let route = CancelRoute(to: address, protection)
        newestRoute = route
        return route
    }

    /// A session's connection to its server broke while something ran.
    func cancelUnseen(_ origin: UnseenOrphan.Origin, _ loss: SessionState.Loss) {
        nextID += 1
        let orphan = UnseenOrphan(nextID, worker: self, origin, loss)
        unseenOrphans[nextID] = orphan
        orphan.start()
        if drained != nil { unseenOrphans[orphan.id]?.hurry() }
    }

    /// It has ended.
    func forget(unseen id: SessionID) {
        // Still running its own code: it must outlive this call.
        let orphan = unseenOrphans.removeValue(forKey: id)
        withExtendedLifetime(orphan) { finishDraining() }
    }

    /// Asks the dispatcher for a cancel; `cancelConcluded` of who has this identifier follows, unless the order is
    /// withdrawn or answered.
    func orderCancel(
        _ purpose: CancelOrder.Purpose,
        for id: SessionID,
        _ key: CancelKey,
        by route: CancelRoute
    ) -> CancelOrder {
        let mailbox = mailbox
        let order = CancelOrder(purpose, route, key: key, dispatcher: dispatcher) {
            mailbox.post(.cancelConcluded(id, $0))
        }
        dispatcher.post(.order(order))
        return order
    }

    /// Logs what any client can cause, as often as it likes.
    func logThrottled(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        throttle.log(level, message, metadata, to: log, at: loop.now.sinceBeginning)
    }

    /// A session has ended.
    func forget(_ session: Session) {
        sessions[session.id] = nil
        load.leave()
        finishDraining()
    }

    private func drain(_ reply: @escaping @Sendable () -> Void) {
        drained = reply
        for session in sessions(where: { _ in true }) { session.shutDown() }
        for (_, orphan) in unseenOrphans.sorted(by: { $0.key < $1.key }) { orphan.hurry() }
        finishDraining()
    }

    private func finishDraining() {
        guard sessions.isEmpty, unseenOrphans.isEmpty, let drained else { return }
        self.drained = nil
        drained()
    }
}
