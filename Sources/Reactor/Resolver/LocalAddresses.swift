// The addresses of this machine.

import Glibc

/// The addresses that the machine's interfaces had at one time.
package struct LocalAddresses: Sendable {
    /// The addresses with port 0.
    private let addresses: [SocketAddress]

    /// The current addresses.
    package static func current() -> LocalAddresses {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return LocalAddresses(addresses: []) }
        defer { unsafe freeifaddrs(list) }
        var addresses: [SocketAddress] = []
        var next = unsafe list
        while let entry = unsafe next?.pointee {
            if let system = unsafe entry.ifa_addr, let address = unsafe SocketAddress(system) {
                addresses.append(address)
            }
            unsafe next = entry.ifa_next
        }
        return LocalAddresses(addresses: addresses)
    }

    /// Whether packets to `address`, regardless of its port, stay on this machine.
    package func contains(_ address: SocketAddress) -> Bool {
        address.isLoopback || addresses.contains { $0.hasSameHost(as: address) }
    }
}

extension SocketAddress {
    /// - Returns: nil for a family without ports.
    fileprivate init?(_ system: UnsafeMutablePointer<sockaddr>) {
        let family = unsafe Int32(system.pointee.sa_family)
        guard family == AF_INET || family == AF_INET6 else { return nil }
        let size = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
        var storage = sockaddr_storage()
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: system, count: size))
        }
        self.init(storage, length: socklen_t(size))
    }

    fileprivate func hasSameHost(as other: SocketAddress) -> Bool {
        switch (self, other) {
        case (.ipv4(let address, _), .ipv4(let otherAddress, _)): address == otherAddress
        // A link-local address can be given without its interface.
        case (.ipv6(let high, let low, _, _), .ipv6(let otherHigh, let otherLow, _, _)):
            high == otherHigh && low == otherLow
        default: false
        }
    }
}
