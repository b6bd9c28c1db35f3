// Name resolution, from a host and a port to addresses, as in libpq: a name, a numeric address, or a socket directory.
// It can block for as long as the system's resolver does; NameResolver calls it on a separate thread.

import CLibevent
import Glibc

/// A host that cannot be resolved.
package struct ResolutionError: Error, Equatable, Sendable, CustomStringConvertible {
    package let host: String
    /// The error of the system's resolver, as in gai_strerror(3).
    package let reason: String

    package var description: String { "could not translate host name \"\(host)\" to address: \(reason)" }
}

/// An address and the host that resolved to it, which the certificate of a server must match.
package struct HostAddress: Hashable, Sendable {
    package let address: SocketAddress
    package let host: String

    package init(_ address: SocketAddress, foundBy host: String) {
        self.address = address
        self.host = host
    }
}

/// One host of a `host` list with its port.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// A host that begins with a slash is a socket directory.
    package var isSocketDirectory: Bool { host.hasPrefix("/") }

    /// The addresses of the host, in the resolver's order; nil when a name must be resolved.
    package func numericAddresses() -> [SocketAddress]? {
        try? addresses(flags: AI_NUMERICHOST)
    }

    /// The addresses of a host that are known without a name server: numeric ones, those of a socket directory, and
    /// those of `localhost` (RFC 6761, 6.3); otherwise none.
    package var addressesOnHand: [SocketAddress] {
        if let addresses = numericAddresses() { return addresses }
        return host.lowercased() == "localhost" ? (try? resolve()) ?? [] : []
    }

    /// The addresses of the host, in the resolver's order, at least one. Blocks.
    package func resolve() throws(ResolutionError) -> [SocketAddress] {
        try addresses(flags: 0)
    }

    /// `host:port`, with brackets around an IPv6 address.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The addresses, each with the host.
    package func resolveWithHost() throws(ResolutionError) -> [HostAddress] {
        try resolve().map { HostAddress($0, foundBy: host) }
    }

    private func addresses(flags: Int32) throws(ResolutionError) -> [SocketAddress] {
        if isSocketDirectory {
            guard let address = SocketAddress(socketDirectory: host, port: port) else {
                throw ResolutionError(host: host, reason: "socket path longer than \(SocketAddress.longestPath) bytes")
            }
            return [address]
        }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = flags
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = unsafe getaddrinfo(host, String(port), &hints, &list)
        guard failure == 0 else {
            throw ResolutionError(host: host, reason: unsafe String(cString: gai_strerror(failure)))
        }
        defer { unsafe freeaddrinfo(list) }
        let addresses = unsafe Self.collect(list)
        guard !addresses.isEmpty else { throw ResolutionError(host: host, reason: "no address of a known family") }
        return addresses
    }

    private static func collect(_ list: UnsafeMutablePointer<addrinfo>?) -> [SocketAddress] {
        var addresses: [SocketAddress] = []
        var next = unsafe list
        while let entry = unsafe next?.pointee {
            var storage = sockaddr_storage()
            let length = unsafe min(Int(entry.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
            unsafe withUnsafeMutableBytes(of: &storage) {
                unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: entry.ai_addr, count: length))
            }
            if let address = SocketAddress(storage, length: socklen_t(length)), !addresses.contains(address) {
                addresses.append(address)
            }
            unsafe next = entry.ai_next
        }
        return addresses
    }
}
