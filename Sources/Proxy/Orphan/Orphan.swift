// The stage after a drop: the client's socket is closed, and its statement is cancelled until the server has answered
// all requests.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// A server connection whose client is gone.
final class Orphan: Stage {
    private let server: any StreamSocket
    private var conversation: Conversation
    private let cancelRoute: CancelRoute?
    private var filter: LoginFilter?
    private let droppedAt: MonotonicTime
    /// The age of the query at the drop.
    private let queryAge: Duration
    private var timer = StageTimer()
    private var cancelOrder: CancelOrder?
    /// The outcome is certain, and the connection to the server closed or left to `BackendCloseQueue`.
    private var isConcluded = false

    init(
        after previous: Stage,
        _ server: any StreamSocket,
        _ conversation: Conversation,
        _ cancelRoute: CancelRoute?,
        _ filter: LoginFilter?
    ) {
        (self.server, self.conversation, self.cancelRoute, self.filter) = (server, conversation, cancelRoute, filter)
        droppedAt = previous.worker.loop.now
        queryAge = previous.queryAge(at: droppedAt) ?? .zero
        super.init(after: previous)
        server.owner = self
        self.conversation.toClient.discard()
        worker.counters.drops[dropKind].add()
        worker.counters.orphansActive.add()
        if let cancelRoute { worker.closeQueue.orphanBegan(at: cancelRoute.address.address) }
        updateInterest()
    }

    /// - Parameter action: the first action of the reaper.
    func begin(_ action: Reaper.Action) { perform(action) }

    override func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        if readiness.contains(.writable) {
            _ = conversation.toServer.flush(to: server)
            updateInterest()
        }
        guard readiness.contains(.readable) else { return }
        let received = worker.receive(from: server) { bytes in
            guard let filter else { return discard(bytes) }
            filter.edit(bytes, refused: { warnAboutChannelBinding() }) { discard($0) }
            if filter.isDone { self.filter = nil }
        }
        switch received {
        case .wouldBlock, .bytes: break
        case .endOfStream, .failed: serverClosed()
        }
    }

    override func cancelConcluded(_ result: Reaper.CancelResult) {
        guard !isConcluded else { return }
        cancelOrder = nil
        perform(conversation.state.cancelConcluded(result, at: sinceDrop))
    }

    override func shutDown() { perform(conversation.state.graceCutShort(at: sinceDrop)) }

    override func stopWaiting() { timer.cancel() }

    override func close() {
        // A CancelRequest that was written continues without this stage.
        _ = cancelOrder?.withdraw()
        if !isConcluded { server.close() }
        conversation.toServer.discard()
    }

    override var name: String { "reaping" }
    override var backend: Backend { conversation.backend(by: cancelRoute) }
    override var encryption: SessionSnapshot.Encryption {
        server.encryptedPeerName == nil ? .none : .server
    }

    private var sinceDrop: Duration { worker.loop.now.since(droppedAt) }

    private var dropKind: DropKind { conversation.state.dropKind ?? .serverLost }

    /// The replies must be read: a backend that is blocked in a write does not handle a cancel.
    private func updateInterest() {
        server.interest = conversation.toServer.isStalled ? [.read, .write] : .read
    }
}

// MARK: - Server messages

extension Orphan {
    private func discard(_ bytes: Span<UInt8>) {
        guard !isConcluded else { return }
        do throws(MalformedMessage) {
            try conversation.serverSent(bytes, worker.counters.server)
        } catch {
            worker.counters.protocolErrors[.server].add()
            return serverClosed()
        }
        let action = conversation.state.serverAnsweredWhileReaping(at: sinceDrop)
        logWarning()
        perform(action)
    }

    /// Logs an effect of a cancel that the client's own cancel would have had, too, but that the operator may need to
    /// know.
    private func logWarning() {
        guard let warning = conversation.state.takeWarning() else { return }
        let metadata = logMetadata(["sqlstate": "\(warning.sqlState)", "reason": "\(warning.text)"])
        worker.environment.log.warning("server warned after a cancel", metadata: metadata)
    }

    private func serverClosed() {
        guard !isConcluded else { return }
        switch conversation.state.serverClosed(at: sinceDrop) {
        case .none, .end: break
        case .reap(let action): perform(action)
        case .lose(let loss):
            // The connection broke before the server had replied: the remaining cancels need no connection.
            endCounts()
            cancelUnseen(settledDrop(), loss, cancelRoute)
            end(.reaped)
        }
    }
}

// MARK: - Actions of the reaper

extension Orphan {
    private func perform(_ action: Reaper.Action) {
        guard !isConcluded else { return }
        switch action {
        case .none: break
        case .cancel: order(.cancel)
        case .endBackend: order(.terminate)
        case .withdrawCancel: withdrawCancel()
        case .probe(let time):
            perform(conversation.state.probe(at: sinceDrop))
            wake(at: time)
        case .wake(let time): wake(at: time)
        case .end(let outcome): return conclude(outcome)
        }
        guard !isOver, !isConcluded else { return }
        perform(conversation.state.nextEnding(at: sinceDrop))
    }

    private func perform(_ ending: SessionState.Ending) {
        switch ending {
        case .nothing: break
        case .endStream: server.shutdownSending()
        case .send(let bytes):
            // A broken connection is reported by the next receive.
            _ = conversation.toServer.deliver(bytes.span, to: server)
            updateInterest()
        }
    }

    private func withdrawCancel() {
        guard let cancelOrder, !cancelOrder.withdraw() else { return cancelConcluded(.withdrawn) }
        guard conversation.state.reaper?.hasCancelArrived == true, cancelOrder.answered() else { return }
        cancelConcluded(.sent)
    }

    private func order(_ signal: CancelOrder.Signal) {
        guard let cancelRoute else { return cancelConcluded(.notSent) }
        let key = backend.cancelKey
        var identity: BackendIdentity?
        if worker.environment.monitors != nil, let local = server.localAddress {
            identity = BackendIdentity(processID: key?.processID, local: local, openedAt: openedAt)
        }
        cancelOrder = worker.orderCancel(.orphan, for: id, key, by: cancelRoute, signal, to: identity)
        if let time = conversation.state.reaper?.wakeTime { wake(at: time) }
    }

    private func wake(at time: Duration) {
        timer.set(worker.loop, after: max(time - sinceDrop, .zero)) { [unowned self] in
            perform(conversation.state.timePassed(at: sinceDrop))
        }
    }

    /// The drop with the number of sent cancels. The result of the last one is not awaited.
    private func settledDrop() -> Drop {
        let cancelsSent = (conversation.state.reaper?.cancelsSent ?? 0) + (cancelOrder?.settle() ?? 0)
        return Drop(dropKind, at: droppedAt, afterQueryOf: queryAge, cancelsSent: cancelsSent)
    }
}

// MARK: - The outcome

extension Orphan {
    /// What others may wait for is done at once. The rest, which is mostly the log line, takes its turn.
    private func conclude(_ outcome: Outcome) {
        isConcluded = true
        timer.cancel()
        let duration = conversation.state.reaper?.stoppedAt ?? sinceDrop
        endCounts()
        // Before the login, the names may be anybody's.
        worker.count(outcome, of: conversation.state.tracker.outstanding.isStartingUp ? nil : login)
        if outcome.isConfirmed { worker.counters.reapTime.observe(duration) }
        leaveServer()
        releasePlace()
        let drop = settledDrop()
        worker.turns.run { [self] in
            log(drop, outcome, after: duration)
            end(.reaped)
        }
    }

    private func endCounts() {
        worker.counters.orphansActive.add(-1)
        if let address = cancelRoute?.address.address { worker.closeQueue.orphanEnded(at: address) }
    }

    /// Hands the server connection to `BackendCloseQueue`. A backend in a transaction is closed at once, as other
    /// sessions may wait for its locks.
    private func leaveServer() {
        guard conversation.state.tracker.isAtRest, !conversation.state.tracker.isInTransaction, let cancelRoute
        else { return server.close() }
        let canTerminate = conversation.state.canTerminate && !conversation.toServer.isStalled
        let lastMessage = canTerminate ? LastMessages.terminate : []
        worker.closeQueue.enqueue(server, at: cancelRoute.address.address, lastMessage: lastMessage)
    }

    private func log(_ drop: Drop, _ outcome: Outcome, after duration: Duration) {
        let metadata = logMetadata(drop.logMetadata(outcome, after: duration))
        worker.environment.orphanHistory.add(metadata)
        // A client that has not logged in is not authenticated.
        if conversation.state.tracker.outstanding.isStartingUp {
            worker.logBeforeLogin(outcome.logLevel, outcome.logMessage, metadata)
        } else {
            worker.environment.log.log(level: outcome.logLevel, outcome.logMessage, metadata: metadata)
        }
    }
}
