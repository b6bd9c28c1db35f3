// Carries out cancel orders: a few at a time, the others wait in two queues.

import Logging
import Reactor

/// The one place all cancels go through, so that a storm of drops is no storm of connections for the
/// server, which forks a process for each.
package final class CancelDispatcher {
    /// Who asks without a login may take no end of memory; nor would a later one be served soon.
    private static let mostClientsWaiting = 1024

    private let loop: any EventLoop
    private let limits: Configuration.Cancel
    private let security: ServerSecurity
    private let counters: Counters
    private let log: Logger
    private var throttle = LogThrottle()
    private var orphans = OrderQueue()
    private var clients = OrderQueue()
    private var isClientsTurn = false
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

    package func receive(_ letter: DispatcherLetter) {
        switch letter {
        case .order(let order): enqueue(order)
        case .release(let order): release(order)
        }
    }

    private func enqueue(_ order: CancelOrder) {
        switch order.purpose {
        case .orphan: orphans.append(order)
        case .client, .stranger:
            guard clients.count < Self.mostClientsWaiting else { return turnAway(order) }
            clients.append(order)
        }
        startWaiting()
    }

    private func turnAway(_ order: CancelOrder) {
        note(.crowd, of: order)
        order.conclude(.notSent)
    }

    private func startWaiting() {
        while running.count < limits.maxConcurrent, let order = takeNext() {
            // The answer may have come while the order waited.
            if order.beginDialling() { start(order) }
        }
    }

    /// By turns: anybody may ask for cancels, without a login, and as many as he likes.
    private func takeNext() -> CancelOrder? {
        defer { isClientsTurn.toggle() }
        return isClientsTurn
            ? clients.takeFirst() ?? orphans.takeFirst()
            : orphans.takeFirst() ?? clients.takeFirst()
    }

    private func start(_ order: CancelOrder) {
        let connection = CancelConnection(
            loop: loop, order: order, security: security, timeout: limits.attemptTimeout
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
        (order.purpose == .orphan ? counters.cancelsFailed : counters.clientCancelsFailed).add()
        // Otherwise nobody could tell why a query runs on whose client is gone, or has asked for its end.
        let metadata: Logger.Metadata = ["pid": "\(order.key.processID)", "reason": "\(failure)"]
        throttle.log(.warning, "cancel not sent", metadata, to: log, at: loop.now)
    }

    private func conclude(_ order: CancelOrder, _ result: Reaper.CancelResult) {
        // Still running the connection's own code: it must outlive this call.
        let connection = running.removeValue(forKey: ObjectIdentifier(order))
        withExtendedLifetime(connection) {
            order.conclude(result)
            startWaiting()
        }
    }

    /// Closes the connection of an order that was withdrawn or answered; it may have concluded before the letter came.
    private func release(_ order: CancelOrder) {
        guard running.removeValue(forKey: ObjectIdentifier(order)) != nil else { return }
        startWaiting()
    }
}

/// Orders that wait, first come, first served.
private struct OrderQueue {
    private var orders: [CancelOrder] = []
    private var next = 0

    var count: Int { orders.count - next }

    mutating func append(_ order: CancelOrder) {
        orders.append(order)
    }

    mutating func takeFirst() -> CancelOrder? {
        guard next < orders.count else { return nil }
        defer { forgetTaken() }
        next += 1
        return orders[next - 1]
    }

    private mutating func forgetTaken() {
        guard next == orders.count || next >= 1024 else { return }
        orders.removeFirst(next)
        next = 0
    }
}
