// The detection of servers whose address pgleash itself listens on: it would connect to itself without end.

import Reactor

/// The addresses of pgleash's listeners.
package final class OwnAddresses: Sendable {
    private struct Known {
        var addresses: LocalAddresses
        var since: MonotonicTime
    }

    /// The time for which the machine's addresses are cached. An address can be added at any time, such as that of a
    /// server that failed over.
    private static let recency = Duration.seconds(1)

    private let listeners: [SocketAddress]
    private let local = Locked<Known?>(nil)

    package init(_ listeners: [SocketAddress]) {
        self.listeners = listeners.map { $0.isWildcard ? $0 : $0.destination }
    }

    /// Whether a connection to `server` is one to pgleash.
    package func contains(_ server: SocketAddress) -> Bool {
        guard listeners.contains(where: { $0.port == server.port }) else { return false }
        let destination = server.destination
        return listeners.contains { listener in
            listener == destination || listener.covers(destination) && isLocal(destination)
        }
    }

    private func isLocal(_ address: SocketAddress) -> Bool {
        if address.isLoopback { return true }
        return local.withLock { known in
            let now = MonotonicTime.now
            if let known, now.since(known.since) < Self.recency { return known.addresses.contains(address) }
            let addresses = LocalAddresses.current()
            known = Known(addresses: addresses, since: now)
            return addresses.contains(address)
        }
    }
}
