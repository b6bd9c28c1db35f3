// The monitors of all addresses of the server, as the other threads see them: each has a thread of its own, as libpq
// can block where it reads files, or asks a directory or Kerberos.

import Reactor

/// One monitor for each address.
package final class Monitors: Sendable {
    private struct Entry {
        let orders = Mailbox<CancelOrder>()
        var isReady = false
    }

    private let entries = Locked<[SocketAddress: Entry]>([:])
    private let begin: @Sendable (HostAddress, Mailbox<CancelOrder>, Monitors) -> Void

    /// - Parameter begin: makes a `Monitor` and lets it take the orders of the mailbox, which must be opened on its
    ///   loop.
    package init(_ begin: @escaping @Sendable (HostAddress, Mailbox<CancelOrder>, Monitors) -> Void) {
        self.begin = begin
    }

    /// Begins to connect to the addresses that have no monitor. A Unix socket gets none, as the server does not know
    /// which connection of such a socket belongs to which client.
    package func open(_ addresses: [HostAddress]) {
        for address in addresses where !address.address.isUnix {
            let entry = entries.withLock { entries -> Entry? in
                guard entries[address.address] == nil else { return nil }
                let entry = Entry()
                entries[address.address] = entry
                return entry
            }
            if let entry { begin(address, entry.orders, self) }
        }
    }

    /// Whether an order for this address is carried out by its monitor, as far as is known at this moment.
    package func isReady(at address: SocketAddress) -> Bool {
        entries.withLock { $0[address]?.isReady ?? false }
    }

    /// The number of these addresses.
    package var readyCount: Int { entries.withLock { $0.values.count { $0.isReady } } }

    package func set(_ isReady: Bool, at address: SocketAddress) {
        entries.withLock { $0[address]?.isReady = isReady }
    }

    /// - Returns: whether the monitor of its address has the order; it concludes it in any case.
    func take(_ order: CancelOrder) -> Bool {
        guard let backend = order.backend, !backend.local.isUnix else { return false }
        let entry = entries.withLock { $0[order.destination] }
        guard let entry else {
            // The server's name has changed its address.
            open([order.route.address])
            return false
        }
        guard entry.isReady else { return false }
        entry.orders.post(order)
        return true
    }
}
