// Carries out cancel orders, a few at a time at each address of the server.

import CancelPolicy
import Logging
import Reactor
import Settings
import Telemetry

/// The one place all cancels go through, so that a storm of drops is no storm of connections for the
/// server, which forks a process for each. What is wrong at one address costs the others nothing.
package final class CancelDispatcher {
    private let loop: any EventLoop
    private let limits: Configuration.Cancel
    private let security: ServerSecurity
    private let counters: Counters
    private let log: ThrottledLog
    /// About cancels whose key no session has: any client can cause them, and they hide no line about others.
    private let unknownKeyLog: ThrottledLog
    /// By where they lead; those with nothing to do are not there.
    private(set) var lanes: [SocketAddress: CancelLane] = [:]
    private var running: [ObjectIdentifier: CancelConnection] = [:]
    /// Connections whose orders are over, oldest first. They have no place any more, and stay open until the server
    /// closes them: PgBouncer 1.18 exits when a client ends the connection of a cancel that it is passing on.
    private var lingering: [CancelConnection] = []

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
        self.log = ThrottledLog(log, on: loop, source: "Upstream")
        unknownKeyLog = ThrottledLog(log, on: loop, source: "Upstream")
    }

    package func receive(_ message: DispatcherMessage) {
        switch message {
        case .order(let order): enqueue(order)
        case .release(let order): release(order)
        }
    }

    private func enqueue(_ order: CancelOrder) {
        guard lanes[order.destination, default: CancelLane(places: limits.maxConcurrent)].append(order) else {
            note(.queueFull, of: order)
            return order.conclude(.notSent)
        }
        startWaiting(at: order.destination)
    }

    private func startWaiting(at address: SocketAddress) {
        while let order = lanes[address]?.begin() { start(order) }
        if lanes[address]?.isEmpty == true { lanes[address] = nil }
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
        let metadata: Logger.Metadata = ["pid": .number(order.key.processID), "reason": "\(failure)"]
        (order.purpose == .unknownKey ? unknownKeyLog : log).log(.warning, "cancel not sent", metadata)
    }

    private func conclude(_ order: CancelOrder, _ result: Reaper.CancelResult) {
        // Still running the connection's own code: it must outlive this call.
        guard let connection = running.removeValue(forKey: ObjectIdentifier(order)) else {
            return endLingering(of: order)
        }
        withExtendedLifetime(connection) {
            order.conclude(result)
            leave(order)
        }
    }

    /// The order was withdrawn, and its connection is closed, or it was answered. It may have concluded before the
    /// message came.
    private func release(_ order: CancelOrder) {
        guard let connection = running.removeValue(forKey: ObjectIdentifier(order)) else { return }
        if connection.isSent {
            if lingering.count >= limits.maxConcurrent { lingering.removeFirst() }
            lingering.append(connection)
        }
        leave(order)
    }

    private func endLingering(of order: CancelOrder) {
        guard let index = lingering.firstIndex(where: { $0.order === order }) else { return }
        let connection = lingering.remove(at: index)
        withExtendedLifetime(connection) {}
    }

    /// Its place is free.
    private func leave(_ order: CancelOrder) {
        lanes[order.destination]?.leave(order)
        startWaiting(at: order.destination)
    }
}
