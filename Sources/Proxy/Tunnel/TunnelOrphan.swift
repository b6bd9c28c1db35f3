// The stage after the disconnect of a client whose TLS was passed through. The monitor finds its backend by the address
// and port of pgleash's connection, which therefore stays open until the backend has exited.

import CancelPolicy
import Logging
import Reactor
import Telemetry
import Upstream

/// A server connection that pgleash can't read, and whose client is gone.
final class TunnelOrphan: Stage {
    private let server: any StreamSocket
    private let route: CancelRoute?
    private let kind: DropKind
    private let connectedAt: MonotonicTime
    private let droppedAt: MonotonicTime
    private var reaper: TunnelReaper
    private var order: CancelOrder?
    private var timer = StageTimer()
    /// The drop is counted.
    private var isCounted = false

    /// - Parameter connectedAt: the time at which the server was connected.
    init(
        after previous: Stage, _ server: any StreamSocket, _ route: CancelRoute?, _ kind: DropKind,
        connectedAt: MonotonicTime
    ) {
        (self.server, self.route, self.kind, self.connectedAt) = (server, route, kind, connectedAt)
        droppedAt = previous.worker.loop.now
        let limits = previous.worker.environment.configuration.cancel
        reaper = TunnelReaper(timeout: limits.timeout, grace: limits.grace)
        super.init(after: previous)
        server.owner = self
    }

    /// Ends the stream. An idle backend exits at this.
    func begin() {
        server.shutdownSending()
        server.interest = .read
        perform(kind == .shutdown ? reaper.stop(at: .zero) : reaper.timePassed(at: .zero))
    }

    override func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        guard readiness.contains(.readable) else { return }
        // A backend that is blocked in a write does not notice that it is to end.
        switch worker.receive(from: server, { worker.counters.server.bytes.add(Int64($0.count)) }) {
        case .wouldBlock, .bytes: break
        case .endOfStream, .failed:
            server.interest = []
            perform(reaper.serverClosed(at: sinceDrop))
        }
    }

    override func cancelConcluded(_ result: Reaper.CancelResult) {
        order = nil
        perform(reaper.concluded(result, at: sinceDrop))
    }

    override func shutDown() { perform(reaper.stop(at: sinceDrop)) }

    override func stopWaiting() { timer.cancel() }

    override func close() {
        _ = order?.withdraw()
        server.close()
    }

    override var name: String { "reaping" }
    override var backend: Backend { Backend(address: route?.address.address) }
    override var encryption: SessionSnapshot.Encryption { .server }

    private var sinceDrop: Duration { worker.loop.now.since(droppedAt) }

    private func perform(_ action: TunnelReaper.Action) {
        countDrop()
        switch action {
        case .none: break
        case .endBackend: endBackend()
        case .wake(let time): wake(at: time)
        case .leave: end(kind.idleEnd)
        case .end(let outcome): finish(outcome)
        }
    }

    private func countDrop() {
        guard reaper.isOrphan, !isCounted else { return }
        isCounted = true
        worker.counters.drops[kind].add()
        worker.counters.orphansActive.add()
    }

    private func endBackend() {
        guard let route, let local = server.localAddress else { return cancelConcluded(.notSent) }
        let identity = BackendIdentity(processID: nil, local: local, openedAt: connectedAt)
        order = worker.orderCancel(.orphan, for: id, nil, by: route, .terminateIfActive, to: identity)
        wake(at: reaper.wakeTime)
    }

    private func wake(at time: Duration) {
        timer.set(worker.loop, after: max(time - sinceDrop, .zero)) { [unowned self] in
            perform(reaper.timePassed(at: sinceDrop))
        }
    }

    private func finish(_ outcome: Outcome) {
        let duration = sinceDrop
        worker.counters.orphansActive.add(-1)
        worker.count(outcome, of: nil)
        if outcome.isConfirmed { worker.counters.reapTime.observe(duration) }
        let drop = Drop(kind, at: droppedAt, afterQueryOf: nil, cancelsSent: reaper.signalsSent)
        let metadata = logMetadata(drop.logMetadata(outcome, after: duration))
        worker.environment.orphanHistory.add(metadata)
        // Whether the client has logged in is not visible, either.
        worker.logThrottled(outcome.logLevel, outcome.logMessage, metadata)
        end(.reaped)
    }
}
