// Which server each cancel key belongs to, where there may be several: for the clients' own cancels.

import PostgresWire
import Reactor

/// The keys of all sessions with the addresses they are connected to.
package final class CancelKeyDirectory: Sendable {
    private let addresses = Locked<[CancelKey: SocketAddress]>([:])

    package init() {}

    package func enter(_ key: CancelKey, _ address: SocketAddress) {
        addresses.withLock { $0[key] = address }
    }

    package func leave(_ key: CancelKey) {
        _ = addresses.withLock { $0.removeValue(forKey: key) }
    }

    package func address(of key: CancelKey) -> SocketAddress? {
        addresses.withLock { $0[key] }
    }
}
