// The server's addresses: numeric ones that are known from the start, or names that are resolved for each connection.

import Reactor

/// The source of the server's addresses.
package enum Upstream: Sendable {
    /// Numeric addresses and socket directories, at least one.
    case addresses([HostAddress])
    /// Resolves the names. The answer can come on another thread.
    case names(@Sendable (_ answer: @escaping @Sendable (NameResolver.Answer) -> Void) -> Void)

    package init(_ endpoints: [Endpoint]) {
        var numeric: [HostAddress] = []
        for endpoint in endpoints {
            guard let addresses = endpoint.numericAddresses() else {
                self = .names(NameResolver(endpoints).resolve)
                return
            }
            numeric += addresses.map { HostAddress($0, foundBy: endpoint.host) }
        }
        self = .addresses(numeric)
    }
}
