// The routes of all cancel keys, for the clients' own cancels.

import PostgresProtocol
import Reactor

/// The keys of all sessions with the routes to their servers.
package final class CancelKeyDirectory: Sendable {
    private let routes = Locked<[CancelKey: CancelRoute]>([:])

    package init() {}

    package func enter(_ key: CancelKey, _ route: CancelRoute) {
        routes.withLock { $0[key] = route }
    }

    package func leave(_ key: CancelKey) {
        _ = routes.withLock { $0.removeValue(forKey: key) }
    }

    package func route(of key: CancelKey) -> CancelRoute? {
        routes.withLock { $0[key] }
    }
}
