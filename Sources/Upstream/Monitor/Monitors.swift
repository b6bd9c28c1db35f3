// The monitors of all addresses of the server, and the way of an order to the one of its address.

import Logging
import Reactor

/// The addresses with a monitor that can carry out orders, for the workers.
package final class MonitorReadiness: Sendable {
    private let addresses = Locked<Set<SocketAddress>>([])

    package init() {}

    /// Whether an order for this address is carried out by a monitor, as far as is known at this moment.
    package func isReady(at address: SocketAddress) -> Bool {
        addresses.withLock { $0.contains(address) }
    }

    /// The number of these addresses.
    package var count: Int { addresses.withLock { $0.count } }

    func set(_ isReady: Bool, at address: SocketAddress) {
        addresses.withLock { addresses in
            if isReady { addresses.insert(address) } else { addresses.remove(address) }
        }
    }
}

/// One monitor for each address; used on the dispatcher's thread.
package final class Monitors {
    private let loop: any EventLoop
    private let log: Logger
    private let connect: MonitorConnect
    private let readiness: MonitorReadiness
    private var monitors: [SocketAddress: Monitor] = [:]
    /// Set by the dispatcher.
    var conclude: (CancelOrder, MonitorVerdict) -> Void = { _, _ in }

    package init(
        loop: any EventLoop, readiness: MonitorReadiness, log: Logger, connect: @escaping MonitorConnect
    ) {
        (self.loop, self.readiness, self.log, self.connect) = (loop, readiness, log, connect)
    }

    /// Connects to the addresses that have no monitor. A Unix socket gets none, as the server does not know which
    /// connection of such a socket belongs to which client.
    package func open(_ addresses: [HostAddress]) {
        for address in addresses where monitors[address.address] == nil && !address.address.isUnix {
            let monitor = Monitor(
                address, loop: loop, readiness: readiness, log: log, connect: connect,
                conclude: { [unowned self] in conclude($0, $1) }
            )
            monitors[address.address] = monitor
            monitor.start()
        }
    }

    /// - Returns: whether the monitor of its address carries out the order.
    func take(_ order: CancelOrder) -> Bool {
        guard let monitor = monitors[order.destination] else {
            // The server's name has changed its address.
            open([order.route.address])
            return false
        }
        return monitor.take(order)
    }
}
