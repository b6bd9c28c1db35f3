// What happens when a client is gone: its session ends, or what it left running is reaped.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor

extension Session {
    /// The client of a relaying session is gone.
    func clientDropped(_ kind: DropKind) {
        let limits = worker.configuration.cancel
        // When pgleash stops, nobody will be there to cancel after a grace.
        let grace = kind == .shutdown ? .zero : limits.grace
        // A message that can't be right has no end.
        let isCut = kind == .protocolError || conversation.toServer.isCut
        switch conversation.state.clientDropped(kind, isCut: isCut, timeout: limits.timeout, grace: grace) {
        case .none, .lose: break
        case .end(let reason) where kind.leavesClient: beginClosing(reason)
        case .end(let reason): end(reason)
        case .reap(let action):
            beginReaping()
            perform(action)
        }
    }

    private func beginReaping() {
        stage = .reaping(since: worker.loop.now)
        if let kind = conversation.state.dropKind { worker.counters.drops[kind].add() }
        worker.counters.orphansActive.add()
        if let cancelRoute { worker.departures.orphanBegan(at: cancelRoute.address.address) }
        client.close()
        conversation.toServer.discard()
        conversation.toClient.discard()
        endReadAhead()
        updateReapingInterest()
    }

    /// The time of an orphan.
    private var sinceDrop: Duration {
        if case .reaping(let droppedAt) = stage { worker.loop.now.since(droppedAt) } else { .zero }
    }

    /// The answers must be read: a backend that is blocked in a write serves no cancel.
    private func updateReapingInterest() {
        server?.interest = conversation.toServer.isStalled ? [.read, .write] : .read
    }

    /// Reads what the server still says and throws it away.
    func reap(_ readiness: Readiness) {
        guard let server else { return }
        if readiness.contains(.writable) {
            _ = conversation.toServer.flush(to: server)
            updateReapingInterest()
        }
        guard readiness.contains(.readable) else { return }
        switch worker.receive(from: server, { withEdited($0) { throwAway($0) } }) {
        case .wouldBlock, .bytes: break
        case .endOfStream, .failed: serverClosedWhileReaping()
        }
    }

    private func throwAway(_ bytes: Span<UInt8>) {
        do throws(MalformedMessage) {
            try conversation.serverSent(bytes, worker.counters.server)
        } catch {
            worker.counters.protocolErrors[.server].add()
            return serverClosedWhileReaping()
        }
        let action = conversation.state.serverAnsweredWhileReaping(at: sinceDrop)
        logWarning()
        perform(action)
    }

    /// What a cancel has done that the client's own would have done, too, but that somebody may have to know.
    private func logWarning() {
        guard let warning = conversation.state.takeWarning() else { return }
        var metadata = logMetadata
        metadata["sqlstate"] = "\(warning.sqlState)"
        metadata["reason"] = "\(warning.text.debugDescription)"
        worker.log.warning("server warned after a cancel", metadata: metadata)
    }

    private func serverClosedWhileReaping() {
        switch conversation.state.serverClosed(at: sinceDrop) {
        case .none, .end: break
        case .reap(let action): perform(action)
        case .lose(let loss): loseServer(loss)
        }
    }

    /// The connection broke before the server had answered: what is left to do needs none.
    private func loseServer(_ loss: SessionState.Loss) {
        guard case .reaping(let droppedAt) = stage else { return }
        endReapCounts()
        cancelUnseen(since: droppedAt, loss)
        end(.reaped)
    }

    /// Cancels go on without the connection to the server.
    func cancelUnseen(since droppedAt: MonotonicTime, _ loss: SessionState.Loss) {
        guard let key = conversation.state.tracker.cancelKey, let cancelRoute else { return }
        var metadata = logMetadata
        metadata["drop"] = "\((conversation.state.dropKind ?? .serverLost).rawValue)"
        let origin = UnseenOrphan.Origin(
            key: key, route: cancelRoute, droppedAt: droppedAt, cancelsSent: settleCancels(), metadata: metadata
        )
        worker.cancelUnseen(origin, loss)
    }

    /// How many cancels were sent, the last one of which nobody waits for any more.
    private func settleCancels() -> Int { (conversation.state.reaper?.cancelsSent ?? 0) + (cancelOrder?.settle() ?? 0) }

    /// The dispatcher is through with a cancel this session asked for.
    func cancelConcluded(_ result: Reaper.CancelResult) {
        switch stage {
        case .reaping:
            cancelOrder = nil
            perform(conversation.state.cancelConcluded(result, at: sinceDrop))
        case .relayingCancel: clientCancelConcluded(result)
        default: break
        }
    }

    func cutGraceShort() {
        perform(conversation.state.graceCutShort(at: sinceDrop))
    }

    private func perform(_ action: Reaper.Action) {
        switch action {
        case .none: break
        case .cancel: orderCancel()
        case .withdrawCancel: withdrawCancel()
        case .probe(let time):
            bring(about: conversation.state.probe(at: sinceDrop))
            wake(at: time)
        case .wake(let time): wake(at: time)
        case .end(let outcome): return finishReaping(outcome)
        }
        guard case .reaping = stage else { return }
        bring(about: conversation.state.nextEnding(at: sinceDrop))
    }

    private func bring(about ending: SessionState.Ending) {
        guard let server else { return }
        switch ending {
        case .nothing: break
        case .endStream: server.shutdownSending()
        case .send(let bytes):
            // A connection that is broken tells so when it is read.
            _ = conversation.toServer.deliver(bytes.span, to: server)
            updateReapingInterest()
        }
    }

    private func withdrawCancel() {
        guard let cancelOrder, !cancelOrder.withdraw() else { return cancelConcluded(.withdrawn) }
        guard conversation.state.reaper?.hasCancelArrived == true, cancelOrder.answered() else { return }
        cancelConcluded(.sent)
    }

    private func orderCancel() {
        guard let key = conversation.state.tracker.cancelKey, let cancelRoute else { return cancelConcluded(.notSent) }
        cancelOrder = worker.orderCancel(.orphan, for: id, key, by: cancelRoute)
        if let time = conversation.state.reaper?.wakeTime { wake(at: time) }
    }

    private func wake(at time: Duration) {
        setTimer(after: max(time - sinceDrop, .zero)) { session in
            session.perform(session.conversation.state.timePassed(at: session.sinceDrop))
        }
    }

    private func finishReaping(_ outcome: Outcome) {
        guard let reaper = conversation.state.reaper, let kind = conversation.state.dropKind else { return }
        let duration = reaper.stoppedAt ?? sinceDrop
        endReapCounts()
        worker.counters.orphans[outcome].add()
        if outcome.isConfirmed { worker.counters.reapTime.observe(duration) }
        var metadata = logMetadata
        metadata["drop"] = "\(kind.rawValue)"
        metadata["attempts"] = "\(settleCancels())"
        metadata["outcome"] = "\(outcome.rawValue)"
        metadata["milliseconds"] = Self.logged(duration)
        logReaping(outcome, metadata)
        // Where its backend holds a transaction, others may wait for the end of it.
        if conversation.state.tracker.isAtRest, !conversation.state.tracker.isInTransaction,
            let server, let address = cancelRoute?.address.address
        {
            self.server = nil
            let canTerminate = conversation.state.canTerminate && !conversation.toServer.isStalled
            let lastMessage = canTerminate ? LastMessages.terminate : []
            worker.departures.leave(server, from: address, saying: lastMessage)
        }
        end(.reaped)
    }

    private func endReapCounts() {
        worker.counters.orphansActive.add(-1)
        if let address = cancelRoute?.address.address { worker.departures.orphanEnded(at: address) }
    }

    /// A time as the log has it, in milliseconds.
    static func logged(_ duration: Duration) -> Logger.MetadataValue {
        "\((duration.milliseconds * 10).rounded() / 10)"
    }

    private func logReaping(_ outcome: Outcome, _ metadata: Logger.Metadata) {
        let (level, message): (Logger.Level, Logger.Message) =
            switch outcome {
            case .cancelled, .finished, .serverClosed: (.info, "orphan reaped")
            case .excluded: (.info, "excluded from cancelling, what it left may still run")
            case .noKey, .gaveUp, .unconfirmed: (.warning, "gave up, what it left may still run")
            }
        // Who has not logged in is a stranger.
        if conversation.state.tracker.owed.isStartingUp {
            worker.logThrottled(level, message, metadata)
        } else {
            worker.log.log(level: level, message, metadata: metadata)
        }
    }
}
