// Carries out cancel orders: a few at a time, the others wait in the order they came.

import Logging
import Reactor

/// The one place all cancels go through, so that a storm of drops is no storm of connections for the
/// server, which forks a process for each.
package final class CancelDispatcher {
    private let loop: any EventLoop
    private let limits: Configuration.Cancel
    private let security: ServerSecurity
    private let counters: Counters
    private let log: Logger
    private var throttle = LogThrottle()
    private var queue: [CancelOrder] = []
    private var next = 0
    private var running: [ObjectIdentifier: CancelConnection] = [:]

    package init(
        loop: any EventLoop,
        limits: Configuration.Cancel,
        security: ServerSecurity,
        counters: Counters,
        log: Logger
    ) {
        self.loop = loop
        self.limits = limits
        self.security = security
        self.counters = counters
        self.log = log
    }

    package func receive(_ order: CancelOrder) {
        queue.append(order)
        startWaiting()
    }

    private func startWaiting() {
        while running.count < limits.maxConcurrent, next < queue.count {
            let order = queue[next]
            next += 1
            // The answer may have come while the order waited.
            if order.begin() { start(order) }
        }
        guard next == queue.count || next >= 1024 else { return }
        queue.removeFirst(next)
        next = 0
    }

    private func start(_ order: CancelOrder) {
        let connection = CancelConnection(
            loop: loop,
            route: order.route,
            security: security,
            packet: order.key.cancelRequest,
            timeout: limits.attemptTimeout
        ) { [unowned self] progress in
            switch progress {
            case .sent: (order.purpose == .orphan ? counters.cancelsSent : counters.clientCancelsRelayed).add()
            case .concluded: conclude(order, .sent)
            case .failed(let failure):
                note(failure, of: order)
                conclude(order, .notSent)
            }
        }
        running[ObjectIdentifier(order)] = connection
        connection.start()
    }

    private func note(_ failure: CancelFailure, of order: CancelOrder) {
        if failure.isInsecure { counters.cancelsUnprotected.add() }
        if order.purpose == .orphan { counters.cancelsFailed.add() }
        // Otherwise nobody could tell why a query runs on whose client is gone, or has asked for its end.
        let metadata: Logger.Metadata = ["pid": "\(order.key.processID)", "reason": "\(failure)"]
        throttle.log(.warning, "cancel not sent", metadata, to: log, at: loop.now)
    }

    private func conclude(_ order: CancelOrder, _ result: Reaper.CancelResult) {
        // Still running the connection's own code: it must outlive this call.
        let connection = running.removeValue(forKey: ObjectIdentifier(order))
        withExtendedLifetime(connection) {
            order.reply(result)
            startWaiting()
        }
    }
}
