// The addresses that are listened on: each once, though several hosts may stand for it. Binding them is Supervisor's.

import Reactor

/// The addresses of the configured hosts without those that the system would refuse as in use by another of them.
struct ListenAddresses {
    /// What is left of one host's addresses.
    struct Host {
        var addresses: [SocketAddress] = []
        /// Clients of this host come to the listener of another one, too.
        var isCovered = false
    }

    /// An address that is not bound.
    struct Redundant: Equatable {
        let address: SocketAddress
        /// The one whose listener gets its clients.
        let covering: SocketAddress
    }

    private(set) var hosts: [Host] = []
    private(set) var redundant: [Redundant] = []

    /// - Parameter hosts: the addresses each host stands for.
    init(_ hosts: [[SocketAddress]]) {
        let all = Array(hosts.joined())
        var index = 0
        for addresses in hosts {
            var host = Host()
            for address in addresses {
                // A wildcard gets the clients of all others, wherever it stands; of equal ones the first is kept.
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
