// Where the server is: addresses known from the start, or names that are resolved for each connection.

import Reactor

/// The way to the server's addresses.
package enum Upstream: Sendable {
    /// Numeric addresses and socket directories, at least one.
    case addresses([HostAddress])
    case names(NameResolver)

    /// All sessions are connected to the same address.
    package var isOneAddress: Bool {
        if case .addresses(let addresses) = self { addresses.count == 1 } else { false }
    }

    package init(_ endpoints: [Endpoint]) {
        var numeric: [HostAddress] = []
        for endpoint in endpoints {
            guard let addresses = endpoint.numericAddresses() else {
                self = .names(NameResolver(endpoints))
                return
            }
            numeric += addresses.map { HostAddress($0, foundBy: endpoint.host) }
        }
        self = .addresses(numeric)
    }
}
