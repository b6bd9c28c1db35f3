// The cancels after the connection to the server broke: by a reset, or by the end of its host or of a system in
// between. The statement may continue. The key is known, so cancels are sent over their own connections, but no reply
// shows their effect.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// A request whose reply is lost.
final class UnseenOrphan {
    /// The session and the drop of the request.
    struct Origin {
        let key: CancelKey
        let route: CancelRoute
        let drop: Drop
        let login: Login?
        let metadata: Logger.Metadata
    }

    /// A cancel that arrives before its statement has begun, or that is caught, is lost; the second one may not be.
    /// After that each pause is four times as long: a cancel that finds no process costs the server a fork and a line
    /// of its log.
    private static let firstPause = Duration.milliseconds(100)
    private static let growth = 4

    let id: SessionID
    private unowned let worker: Worker
    private let origin: Origin
    private let loss: SessionState.Loss
    private let deadline: MonotonicTime
    private var pause = firstPause
    private var cancelsSent: Int
    private var order: CancelOrder?
    private var timer: (any ScheduledTimer)?
    private var isShuttingDown = false

    init(_ id: SessionID, worker: Worker, _ origin: Origin, _ loss: SessionState.Loss) {
        (self.id, self.worker, self.origin, self.loss) = (id, worker, origin, loss)
        deadline = origin.drop.time.advanced(by: worker.environment.configuration.cancel.timeout)
        cancelsSent = origin.drop.cancelsSent
    }

    /// Starts the cancels. At their end it calls `worker`, possibly before this returns.
    func start() {
        worker.counters.orphansActive.add()
        guard let delay = loss.delay else { return finish() }
        // A cancel that was sent before may have had its effect.
        if cancelsSent > 0 { waitLonger(delay) } else { wait(delay) }
    }

    func cancelConcluded(_ result: Reaper.CancelResult) {
        order = nil
        timer?.cancel()
        if result == .sent { cancelsSent += 1 }
        if isShuttingDown || loss.isForOneCancel && result == .sent { return finish() }
        waitLonger()
    }

    /// pgleash shuts down: one cancel is enough.
    func shutDown() {
        isShuttingDown = true
        guard order == nil else { return }
        if cancelsSent > origin.drop.cancelsSent { finish() } else { cancel() }
    }

    /// Waits longer than the last time.
    private func waitLonger(_ delay: Duration = .zero) {
        let pause = pause
        self.pause *= Self.growth
        wait(max(delay, pause))
    }

    /// No cancel is sent after the deadline.
    private func wait(_ delay: Duration) {
        guard worker.now.advanced(by: delay) < deadline else { return finish() }
        if delay == .zero { return cancel() }
        timer = worker.loop.schedule(after: delay) { [unowned self] in cancel() }
    }

    private func cancel() {
        timer?.cancel()
        order = worker.orderCancel(.orphan, for: id, origin.key, by: origin.route)
        timer = worker.loop.schedule(after: deadline.since(worker.now)) { [unowned self] in finish() }
    }

    private func finish() {
        timer?.cancel()
        cancelsSent += order?.settle() ?? 0
        worker.counters.orphansActive.add(-1)
        let outcome = Outcome.unconfirmed
        worker.count(outcome, of: origin.login)
        var drop = origin.drop
        drop.cancelsSent = cancelsSent
        let more = drop.logMetadata(outcome, after: worker.now.since(drop.time))
        let metadata = origin.metadata.merging(more) { $1 }
        worker.environment.orphanHistory.add(metadata)
        worker.logThrottled(outcome.logLevel, outcome.logMessage, metadata)
        worker.forget(unseen: id)
    }
}

extension Stage {
    /// Continues the cancels without the connection to the server.
    ///
    /// - Parameter drop: the time at which the client left, or lost its server.
    final func cancelUnseen(_ drop: Drop, _ loss: SessionState.Loss, _ route: CancelRoute?) {
        guard let cancelKey = backend.cancelKey, let route else { return }
        let origin = UnseenOrphan.Origin(
            key: cancelKey, route: route, drop: drop, login: login, metadata: logMetadata
        )
        worker.cancelUnseen(origin, loss)
    }
}
