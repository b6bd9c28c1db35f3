// The sessions of one thread. Other threads access only a worker's mailbox and counters.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor
import Settings
import Telemetry
import Upstream

/// Messages of other threads to a worker.
package enum WorkerMessage: Sendable {
    case client(AcceptedSocket)
    case serverResolved(SessionID, NameResolver.Answer)
    case cancelConcluded(SessionID, Reaper.CancelResult)
    /// Send back a snapshot of the sessions.
    case report(@Sendable ([SessionSnapshot]) -> Void)
    /// Call: the loop runs.
    case ping(@Sendable () -> Void)
    /// End all sessions, then call.
    case drain(@Sendable () -> Void)
}

/// Serves its sessions on its event loop.
package final class Worker {
    let loop: any EventLoop
    let receiveBuffer: ReceiveBuffer
    let environment: WorkerEnvironment
    let counters: Counters
    let mailbox: Mailbox<WorkerMessage>

    let closeQueue: BackendCloseQueue
    let turns: Turns
    private let snapshotTurns: SnapshotTurns

    private let load: Quota
    /// The current stage of each client.
    private var stages: [SessionID: Stage] = [:]
    private var unseenOrphans: [SessionID: UnseenOrphan] = [:]
    /// The route of the newest session. Most often the next one has the same and shares it.
    private var newestRoute: CancelRoute?
    /// Runs while there are sessions.
    private var ticker: (any Ticker)?
    private var nextID: SessionID = 0
    private let throttledLog: ThrottledLog
    /// Lines about clients before their login hide no line about sessions.
    private let loginLog: ThrottledLog
    private var drained: (@Sendable () -> Void)?
    private var closingsTimer: (any ScheduledTimer)?

    /// - Parameter load: counts the sessions of the worker, which releases those that have ended.
    /// - Throws: `SystemError` where the loop cannot make a ticker, as there are no descriptors left.
    package init(
        loop: any EventLoop,
        mailbox: Mailbox<WorkerMessage>,
        counters: Counters,
        load: Quota,
        environment: WorkerEnvironment
    ) throws(SystemError) {
        self.loop = loop
        receiveBuffer = loop.receiveBuffer
        self.mailbox = mailbox
        self.counters = counters
        self.load = load
        self.environment = environment
        closeQueue = BackendCloseQueue(loop: loop)
        turns = Turns(loop: loop)
        snapshotTurns = SnapshotTurns(loop: loop)
        throttledLog = ThrottledLog(environment.log, on: loop, source: "Proxy")
        loginLog = ThrottledLog(environment.log, on: loop, source: "Proxy")
        ticker = try loop.makeTicker { [unowned self] in checkSessions() }
    }

    package func receive(_ message: WorkerMessage) {
        switch message {
        case .client(let accepted): open(accepted)
        case .serverResolved(let id, let answer): stages[id]?.serverResolved(answer)
        case .cancelConcluded(let id, let result):
            stages[id]?.cancelConcluded(result)
            unseenOrphans[id]?.cancelConcluded(result)
        case .report(let reply):
            snapshotTurns.copy(Array(stages.keys), to: reply) { [unowned self] in stages[$0]?.snapshot(at: loop.now) }
        case .ping(let reply): reply()
        case .drain(let reply): drain(reply)
        }
    }

    /// Receives from `socket`, and lends `body` the bytes. The function is here because the owner of the buffer lends
    /// it without a retain.
    func receive(from socket: any StreamSocket, _ body: (Span<UInt8>) -> Void) -> Received {
        let received = socket.receive(into: receiveBuffer, limit: receiveBuffer.size)
        if case .bytes(let count) = received { receiveBuffer.withReceived(count, body) }
        return received
    }

    /// Here for the same reason.
    var now: MonotonicTime { loop.now }

    /// - Returns: false where many clients leave at once; then the session's turn comes later.
    func mayDrop(_ session: Session, _ kind: DropKind) -> Bool {
        turns.enter { [unowned self, id = session.id] in stages[id]?.relaying?.clientDropped(kind) }
    }

    private func open(_ accepted: AcceptedSocket) {
        nextID += 1
        let handshake = ClientHandshake(nextID, self, client: accepted)
        stages[nextID] = handshake
        handshake.begin()
        ticker?.start(every: PeerLiveness.checkInterval)
    }

    private func checkSessions() {
        let now = loop.now
        let lost = select { stage in stage.lostSide(at: now).map { (stage, $0) } }
        for (stage, side) in lost { stage.peerLost(side) }
        // The rest of a batch may still run, and a pooler would let it continue after a Terminate.
        for stage in select({ $0.isClientGoneUnseen() ? $0 : nil }) { stage.clientLeft(.fin) }
        if stages.isEmpty { ticker?.stop() }
    }

    /// The results of `body` for the stages that are checked, ordered by identifier, as a simulation with a seed must
    /// be reproducible.
    private func select<Selected>(_ body: (any CheckedStage) -> Selected?) -> [Selected] {
        let selected = stages.values.compactMap { stage -> (SessionID, Selected)? in
            stage.checked.flatMap(body).map { (stage.id, $0) }
        }
        return selected.sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// Calls `stage` with the server's addresses, at once where no name must be resolved.
    func findServer(for stage: Stage) {
        switch environment.upstream {
        case .addresses(let addresses): stage.serverResolved(.success(addresses))
        case .names(let resolve):
            let (id, mailbox) = (stage.id, mailbox)
            resolve { mailbox.post(.serverResolved(id, $0)) }
        }
    }

    /// Whether a connection to `server` would be one to pgleash.
    func isOwn(_ server: HostAddress) -> Bool { environment.ownAddresses.contains(server.address) }

    /// The route of the cancels of a session whose server was dialled at `address`.
    func cancelRoute(to address: HostAddress, _ protection: Protection) -> CancelRoute {
        if let newestRoute, newestRoute.protection == protection, newestRoute.address == address { return newestRoute }
        let route = CancelRoute(to: address, protection)
        newestRoute = route
        return route
    }

    /// What the monitor can do at this moment about a session with this route; nil without a monitor.
    func monitor(at route: CancelRoute?) -> Reaper.Monitor? {
        guard let monitors = environment.monitors, let address = route?.address.address else { return nil }
        let terminateAfter = environment.configuration.cancel.terminateAfter
        return Reaper.Monitor(
            isConnected: monitors.isReady(at: address), terminateAfter: terminateAfter > .zero ? terminateAfter : nil
        )
    }

    /// Counts the outcome of an orphan.
    ///
    /// - Parameter login: nil where it is not known, or not complete.
    func count(_ outcome: Outcome, of login: Login?) {
        counters.orphans[outcome].add()
        if let login { environment.logins?.count(outcome, of: login) }
    }

    /// A session's connection to its server broke while a statement ran.
    func cancelUnseen(_ origin: UnseenOrphan.Origin, _ loss: SessionState.Loss) {
        nextID += 1
        let orphan = UnseenOrphan(nextID, worker: self, origin, loss)
        unseenOrphans[nextID] = orphan
        orphan.start()
        if drained != nil { unseenOrphans[orphan.id]?.shutDown() }
    }

    /// The server ended a session without a Terminate of the client.
    func serverClosed(_ session: Session) {
        guard environment.serverClosings.note(session.logMetadata) else { return }
        // One line for all workers: a restart of the server ends many sessions at once.
        closingsTimer = loop.schedule(after: ServerClosings.pause) { [unowned self] in logServerClosings() }
    }

    private func logServerClosings() {
        closingsTimer = nil
        guard let (message, metadata) = environment.serverClosings.take() else { return }
        environment.log.notice(message, metadata: metadata)
    }

    /// The orphan has ended.
    func forget(unseen id: SessionID) {
        // The orphan's own code is running: it must outlive this call.
        let orphan = unseenOrphans.removeValue(forKey: id)
        withExtendedLifetime(orphan) { finishDraining() }
    }

    /// Sends the dispatcher an order for a cancel. `cancelConcluded` of the stage with this identifier follows, unless
    /// the order is withdrawn or answered.
    func orderCancel(
        _ purpose: CancelOrder.Purpose,
        for id: SessionID,
        _ key: CancelKey?,
        by route: CancelRoute,
        _ signal: CancelOrder.Signal = .cancel,
        to backend: BackendIdentity? = nil
    ) -> CancelOrder {
        let (mailbox, dispatcher) = (mailbox, environment.dispatcher)
        let order = CancelOrder(
            purpose, route, key: key, backend: backend, signal: signal, dispatcher: dispatcher
        ) {
            mailbox.post(.cancelConcluded(id, $0))
        }
        dispatcher.post(.order(order))
        return order
    }

    /// Logs a line that any client can cause in any number before its login.
    func logBeforeLogin(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        loginLog.log(level, message, metadata)
    }

    /// Logs a line that a client with a login can cause in any number.
    func logThrottled(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        throttledLog.log(level, message, metadata)
    }

    /// The client of `previous` is at its next stage.
    func replace(_ previous: Stage, by next: Stage) {
        // The caller holds `previous`, whose own code is running.
        stages[next.id] = next
    }

    /// A client's connection has ended.
    func forget(_ stage: Stage) {
        stages[stage.id] = nil
        load.release()
        finishDraining()
    }

    private func drain(_ reply: @escaping @Sendable () -> Void) {
        drained = reply
        for stage in stages.values.sorted(by: { $0.id < $1.id }) { stage.shutDown() }
        for (_, orphan) in unseenOrphans.sorted(by: { $0.key < $1.key }) { orphan.shutDown() }
        finishDraining()
    }

    private func finishDraining() {
        guard stages.isEmpty, unseenOrphans.isEmpty, let drained else { return }
        self.drained = nil
        throttledLog.logSuppressed()
        loginLog.logSuppressed()
        if closingsTimer != nil { logServerClosings() }
        drained()
    }
}
