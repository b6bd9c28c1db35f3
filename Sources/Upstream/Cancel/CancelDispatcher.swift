// The dispatcher of cancel orders. It carries out a few at a time at each address of the server.

import CancelPolicy
import Logging
import Reactor
import Settings
import Telemetry

/// All cancels pass this object, so that many drops at once do not become many connections at once for the server,
/// which forks a process for each. A problem at one address does not delay cancels at another one.
package final class CancelDispatcher {
    private let loop: any EventLoop
    private let limits: Configuration.Cancel
    private let security: ServerSecurity
    private let monitors: Monitors?
    private let counters: Counters
    private let log: ThrottledLog
    /// For cancels whose key belongs to no session: any client can cause them, and they must not suppress other lines.
    private let unknownKeyLog: ThrottledLog
    /// By destination; addresses without orders have no entry.
    private(set) var lanes: [SocketAddress: CancelLane] = [:]
    private var running: [ObjectIdentifier: CancelConnection] = [:]
    /// Connections of orders that are over, oldest first. They occupy no place, and stay open until the server closes
    /// them: PgBouncer 1.18 exits when a client closes the connection of a cancel that it is relaying.
    private var lingering: [CancelConnection] = []

    package init(
        loop: any EventLoop,
        limits: Configuration.Cancel,
        security: ServerSecurity,
        monitors: Monitors? = nil,
        counters: Counters,
        log: Logger
    ) {
        self.loop = loop
        self.limits = limits
        self.security = security
        self.monitors = monitors
        self.counters = counters
        self.log = ThrottledLog(log, on: loop, source: "Upstream")
        unknownKeyLog = ThrottledLog(log, on: loop, source: "Upstream")
    }

    package func receive(_ message: DispatcherMessage) {
        switch message {
        case .order(let order): enqueue(order)
        case .release(let order): release(order)
        case .monitorConcluded(let order, let verdict): monitorConcluded(order, verdict)
        }
    }

    /// Logs the number of suppressed lines; the loop is about to end.
    package func logSuppressed() {
        log.logSuppressed()
        unknownKeyLog.logSuppressed()
    }

    private func enqueue(_ order: CancelOrder) {
        if order.purpose == .orphan, monitors?.take(order) == true { return }
        request(order)
    }

    private func monitorConcluded(_ order: CancelOrder, _ verdict: MonitorVerdict) {
        switch verdict {
        case .signalled:
            countSignal(order)
            order.conclude(.sent)
        case .signalledLate: countSignal(order)
        case .leftAlone: order.conclude(.leftAlone)
        case .notRunning: order.conclude(.notRunning)
        case .excluded: order.conclude(.excluded)
        case .unknown, .notSignalled:
            guard order.waitAgain() else { return order.conclude(.withdrawn) }
            // A backend that was to end has most often ended.
            if verdict == .unknown, order.signal == .terminateIfActive { return order.conclude(.notFound) }
            if verdict == .unknown, !order.isForRequest { order.conclude(.notSent) } else { request(order) }
        }
    }

    private func countSignal(_ order: CancelOrder) {
        (order.signal == .cancel ? counters.cancelsSent[.monitor] : counters.backendsTerminated).add()
    }

    /// Carries out the order by a CancelRequest.
    private func request(_ order: CancelOrder) {
        guard order.isForRequest else {
            // The backend may be idle, and the outcome says whether a monitor could look.
            if order.signal != .terminateIfActive { note(.noMonitor, of: order) }
            return order.conclude(.notSent)
        }
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
            case .sent:
                (order.purpose == .orphan ? counters.cancelsSent[.request] : counters.clientCancelsRelayed).add()
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
        // The log is the only place that shows why a query continues although its client is gone or requested its end.
        var metadata: Logger.Metadata = ["reason": "\(failure)"]
        if let processID = order.processID { metadata["pid"] = .number(processID) }
        (order.purpose == .unknownKey ? unknownKeyLog : log).log(.warning, "cancel not sent", metadata)
    }

    private func conclude(_ order: CancelOrder, _ result: Reaper.CancelResult) {
        // The connection's own code is running: it must outlive this call.
        guard let connection = running.removeValue(forKey: ObjectIdentifier(order)) else {
            return endLingering(of: order)
        }
        withExtendedLifetime(connection) {
            order.conclude(result)
            leave(order)
        }
    }

    /// The order was withdrawn, and its connection is closed, or it was answered. It may have concluded before the
    /// message arrived.
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

    /// Frees the place of the order.
    private func leave(_ order: CancelOrder) {
        lanes[order.destination]?.leave(order)
        startWaiting(at: order.destination)
    }
}
