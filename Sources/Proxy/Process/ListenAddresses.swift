// The addresses to listen on, each of them once, though several hosts may resolve to it. Supervisor binds them.

import Reactor

/// The addresses of the configured hosts without those that the system would refuse as in use by another one.
struct ListenAddresses {
    /// The remaining addresses of one host.
    struct Host {
        var addresses: [SocketAddress] = []
        /// The listener of another host accepts clients of this host, too.
        var isCovered = false
    }

    /// An address that is not bound.
    struct Redundant: Equatable {
        let address: SocketAddress
        /// The address whose listener gets its clients.
        let covering: SocketAddress
    }

    private(set) var hosts: [Host] = []
    private(set) var redundant: [Redundant] = []

    /// - Parameter hosts: the addresses of each host.
    init(_ hosts: [[SocketAddress]]) {
        let all = Array(hosts.joined())
        var index = 0
        for addresses in hosts {
            var host = Host()
            for address in addresses {
                // A wildcard gets the clients of all other addresses, wherever it is in the list; of equal addresses
                // the first is kept.
                let wildcard = all.first { $0 != address && $0.covers(address) }
                if let covering = wildcard ?? all[..<index].first(where: { $0 == address }) {
                    redundant.append(Redundant(address: address, covering: covering))
                    host.isCovered = true
                } else {
                    host.addresses.append(address)
                }
                index += 1
            }
            self.hosts.append(host)
        }
    }
}
