// The address of a socket: an IPv4 or IPv6 address with a port, or the path of a Unix socket. NameResolution resolves
// names, which can take time.

import Glibc

/// An address of one of the three kinds that PostgreSQL listens on.
package enum SocketAddress: Hashable, Sendable {
    /// The address in host byte order.
    case ipv4(UInt32, port: UInt16)
    /// The two halves of the address in host byte order; the scope is that of a link-local address, otherwise 0.
    case ipv6(high: UInt64, low: UInt64, port: UInt16, scope: UInt32)
    /// The path of a Unix socket; empty for a client, which has none.
    case unix(path: String)

    /// The longest path of a Unix socket in bytes (sockaddr_un has 108, the last one is a zero).
    package static let longestPath = 107

    /// The file `.s.PGSQL.port` in a socket directory, libpq's way of naming Unix sockets.
    ///
    /// - Returns: nil when the path would be longer than `longestPath`.
    package init?(socketDirectory: String, port: UInt16) {
        let path = socketDirectory + (socketDirectory.hasSuffix("/") ? "" : "/") + ".s.PGSQL.\(port)"
        guard path.utf8.count <= Self.longestPath else { return nil }
        self = .unix(path: path)
    }

    package var isUnix: Bool { if case .unix = self { true } else { false } }

    /// The peer is on this machine: 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104.
    package var isLoopback: Bool {
        switch self {
        case .ipv4(let address, _): address >> 24 == 127
        case .ipv6(let high, let low, _, _): high == 0 && (low == 1 || low >> 24 == 0xffff_7f)
        case .unix: true
        }
    }

    /// All addresses of a family, in a listener.
    package var isWildcard: Bool {
        switch self {
        case .ipv4(let address, _): address == 0
        case .ipv6(let high, let low, _, _): high == 0 && low == 0
        case .unix: false
        }
    }

    /// The port; nil for a Unix socket.
    package var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, _, let port, _): port
        case .unix: nil
        }
    }

    /// Whether `other` cannot be bound while this address is: it is the same, or this is a wildcard that includes it.
    package func covers(_ other: SocketAddress) -> Bool {
        self == other || isWildcard && family == other.family && port == other.port
    }

    /// The address that a connection to this one reaches: for `0.0.0.0` and `::` the loopback address, for
    /// `::ffff:127.0.0.1` that of IPv4, and for paths that of the symbolic link's target.
    package var destination: SocketAddress {
        switch self {
        case .ipv4(0, let port): .ipv4(0x7f00_0001, port: port)
        case .ipv6(0, 0, let port, _): .ipv6(high: 0, low: 1, port: port, scope: 0)
        case .ipv6(0, let low, let port, _) where low >> 32 == 0xffff:
            SocketAddress.ipv4(UInt32(truncatingIfNeeded: low), port: port).destination
        case .ipv4, .ipv6: self
        case .unix(let path): .unix(path: Self.followingLinks(inFolderOf: path))
        }
    }

    private static func followingLinks(inFolderOf path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), let folder = unsafe realpath(String(path[..<slash]) + "/", nil)
        else {
            return path
        }
        defer { unsafe free(folder) }
        return unsafe String(cString: folder) + path[slash...]
    }

    var family: Int32 {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:5432`, `[::1]:5432`, `/run/postgresql/.s.PGSQL.5432`, or `local` for an unnamed Unix client.
    package var description: String {
        switch self {
        case .ipv4(_, let port): "\(numericHost):\(port)"
        case .ipv6(_, _, let port, _): "[\(numericHost)]:\(port)"
        case .unix(let path): path.isEmpty ? "local" : path
        }
    }

    /// The IP address without the port, in numbers.
    package var numericHost: String {
        if case .ipv4(let address, _) = self {
            return [24, 16, 8, 0].map { String(address >> $0 & 0xff) }.joined(separator: ".")
        }
        return unsafe withSystemAddress { address, length in
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let failed = unsafe getnameinfo(address, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
            guard failed == 0 else { return "?" }
            return String(decoding: host.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }
}

// MARK: - Conversion to and from the system's form

extension SocketAddress {
    /// - Returns: nil for another family.
    init?(_ storage: sockaddr_storage, length: socklen_t) {
        var storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET:
            let address = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in.self) }
            self = .ipv4(UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
        case AF_INET6:
            var address = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in6.self) }
            let (high, low) = unsafe withUnsafeBytes(of: &address.sin6_addr) { bytes in
                unsafe (
                    UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            let port = UInt16(bigEndian: address.sin6_port)
            self = .ipv6(high: high, low: low, port: port, scope: address.sin6_scope_id)
        case AF_UNIX:
            let path = unsafe withUnsafeBytes(of: &storage) { bytes in
                let end = min(Int(length), bytes.count)
                return unsafe bytes[min(2, end)..<end].prefix { $0 != 0 }.map { $0 }
            }
            self = .unix(path: String(decoding: path, as: UTF8.self))
        default: return nil
        }
    }

    /// The address that a system call such as getpeername returns.
    ///
    /// - Returns: nil when the call does not return 0, or for another family.
    init?(_ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call($0, &length) }
        }
        guard result == 0 else { return nil }
        self.init(storage, length: length)
    }

    /// The local address of a descriptor that another library owns; nil where it has none.
    package init?(localOf descriptor: Int32) {
        unsafe self.init { unsafe getsockname(descriptor, $0, $1) }
    }

    /// Calls `body` with the address in the form of the system calls.
    func withSystemAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch self {
        case .ipv4(let address, let port):
            var system = sockaddr_in()
            system.sin_family = sa_family_t(AF_INET)
            system.sin_port = port.bigEndian
            system.sin_addr.s_addr = address.bigEndian
            return unsafe Self.withPointer(to: &system, body)
        case .ipv6(let high, let low, let port, let scope):
            var system = sockaddr_in6()
            system.sin6_family = sa_family_t(AF_INET6)
            system.sin6_port = port.bigEndian
            system.sin6_scope_id = scope
            unsafe withUnsafeMutableBytes(of: &system.sin6_addr) { bytes in
                unsafe bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
                unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return unsafe Self.withPointer(to: &system, body)
        case .unix(let path):
            var system = sockaddr_un()
            system.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &system.sun_path) { bytes in
                for (index, byte) in path.utf8.prefix(Self.longestPath).enumerated() { unsafe bytes[index] = byte }
            }
            return unsafe Self.withPointer(to: &system, body)
        }
    }

    private static func withPointer<System, Result>(
        to system: inout System,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        unsafe withUnsafePointer(to: &system) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<System>.size))
            }
        }
    }
}
