// The system calls that create sockets: non-blocking, closed on exec, without delay.

import CLibevent
import Glibc

/// A new stream socket for `address`, which the caller must close. Sockets that a listening one accepts inherit its
/// options.
func makeStreamSocket(for address: SocketAddress, keepalive: Keepalive = .system) throws(SystemError) -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(address.family, type, 0)
    guard descriptor >= 0 else { throw .last }
    if !address.isUnix {
        // Small messages are sent at once.
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        keepalive.apply(to: descriptor, address)
    }
    return descriptor
}

/// - Returns: whether the kernel supports the option and the value.
@discardableResult
func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) -> Bool {
    var value = value
    return unsafe setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
}

/// Closes a descriptor that no loop watches.
package func closeDescriptor(_ descriptor: Int32) {
    _ = close(descriptor)
}
