// The end of what an earlier pgleash left running when it was killed: the monitor ends the backends of its sessions.

import CancelPolicy
import Logging
import Reactor
import Settings
import Telemetry
import Upstream

/// Carries out the recovery, on the main thread.
final class Recovery {
    /// A session that was left.
    private struct Left {
        let session: RecordedSession
        var reaper: TunnelReaper
        var order: CancelOrder?
        var timer: (any ScheduledTimer)?
    }

    private let record: SessionRecord
    private let monitors: Monitors
    private let loop: any EventLoop
    private let orders: Mailbox<DispatcherMessage>
    private let results = Mailbox<(index: Int, result: Reaper.CancelResult)>()
    private let counters: Counters
    private let log: Logger
    private let begunAt: MonotonicTime
    private var left: [Int: Left] = [:]
    private var unreachable = 0

    init(
        _ record: SessionRecord, _ monitors: Monitors, _ limits: Configuration.Cancel, on loop: any EventLoop,
        _ orders: Mailbox<DispatcherMessage>, _ counters: Counters, log: Logger
    ) {
        (self.record, self.monitors, self.loop, self.orders) = (record, monitors, loop, orders)
        (self.counters, self.log) = (counters, log)
        begunAt = loop.now
        for (index, session) in record.left.enumerated() {
            left[index] = Left(session: session, reaper: TunnelReaper(timeout: limits.timeout, grace: .zero))
        }
    }

    /// - Throws: where the loop has no descriptor left.
    func begin() throws(SystemError) {
        try results.open(on: loop) { [unowned self] in concluded($0.index, $0.result) }
        for index in left.keys.sorted() { perform(index) { $0.timePassed(at: .zero) } }
    }

    private var time: Duration { loop.now.since(begunAt) }

    private func concluded(_ index: Int, _ result: Reaper.CancelResult) {
        left[index]?.order = nil
        let now = time
        perform(index) { reaper in
            let action = reaper.concluded(result, at: now)
            // Its connection is gone, so an idle backend exits, and one that is not there has exited.
            return result == .notRunning || result == .notFound ? reaper.gone : action
        }
    }

    private func perform(_ index: Int, _ next: (inout TunnelReaper) -> TunnelReaper.Action) {
        guard var item = left[index] else { return }
        let action = next(&item.reaper)
        left[index] = item
        switch action {
        case .none: break
        case .endBackend: endBackend(index, item)
        case .wake(let time): wake(index, at: time)
        case .leave: forget(index)
        case .end(let outcome): finish(index, outcome)
        }
    }

    private func endBackend(_ index: Int, _ item: Left) {
        let server = item.session.server
        // It may still log in.
        guard monitors.isReady(at: server) else { return concluded(index, .notSent) }
        let backend = BackendIdentity(processID: item.session.processID, local: item.session.local)
        let route = CancelRoute(to: HostAddress(server, foundBy: ""), .plain)
        let order = CancelOrder(
            .orphan, route, key: nil, backend: backend, signal: .terminateIfActive, dispatcher: orders
        ) { [results] in results.post((index, $0)) }
        left[index]?.order = order
        orders.post(.order(order))
        wake(index, at: item.reaper.wakeTime)
    }

    private func wake(_ index: Int, at time: Duration) {
        left[index]?.timer?.cancel()
        left[index]?.timer = loop.schedule(after: max(time - self.time, .zero)) { [unowned self] in
            let now = self.time
            perform(index) { $0.timePassed(at: now) }
        }
    }

    private func finish(_ index: Int, _ outcome: Outcome) {
        guard let item = left[index] else { return }
        if outcome == .unreachable {
            unreachable += 1
        } else {
            counters.recoveredOrphans[outcome].add()
            let metadata: Logger.Metadata = [
                "server": "\(item.session.server)", "pid": .number(item.session.processID),
                "reap_ms": .milliseconds(time), "attempts": .number(item.reaper.signalsSent),
                "outcome": "\(outcome.rawValue)",
            ]
            log.log(level: outcome.logLevel, "orphan of an earlier pgleash", metadata: metadata)
        }
        forget(index)
    }

    private func forget(_ index: Int) {
        let item = left.removeValue(forKey: index)
        item?.timer?.cancel()
        _ = item?.order?.withdraw()
        record.forgetLeft(index)
        guard left.isEmpty, unreachable > 0 else { return }
        log.warning(
            "no monitor could look for sessions of an earlier pgleash, whose queries may still run",
            metadata: ["sessions": .number(unreachable)]
        )
    }
}
