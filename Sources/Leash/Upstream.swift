// Where the server is: addresses known from the start, or names that are resolved for each connection.

import Reactor

/// The way to the server's addresses.
package enum Upstream: Sendable {
    /// Numeric addresses and socket directories, at least one.
    case addresses([SocketAddress])
    case names(NameResolver)

    /// All sessions are connected to the same address.
    package var isOneAddress: Bool {
        if case .addresses(let addresses) = self { addresses.count == 1 } else { false }
    }

    package init(_ endpoints: [Endpoint]) {
        let numeric = endpoints.map { $0.numericAddresses() }
        if numeric.contains(nil) {
            self = .names(NameResolver(endpoints))
        } else {
            self = .addresses(numeric.flatMap { $0 ?? [] })
        }
    }
}
