// A listening socket: bound to an address, and closed at the end. Listener and the HTTP server accept on it.

import CLibevent
import Glibc

/// Listens on one address for as long as the object exists. At its end a Unix socket's file is removed, if it is still
/// the same.
package final class ListeningSocket: Sendable {
    /// The bound address, with the port the system chose for port 0.
    package let address: SocketAddress

    let descriptor: Int32
    /// The file of a Unix socket.
    private let file: FileIdentity?

    /// Binds and listens.
    ///
    /// - Parameters:
    ///   - keepalive: the settings of accepted connections.
    ///   - backlog: the number of connections that may wait to be accepted.
    package init(
        _ address: SocketAddress, keepalive: Keepalive = .system, backlog: Int32 = SOMAXCONN
    ) throws(SystemError) {
        let bound = try Self.bindAndListen(address, keepalive, backlog)
        descriptor = bound
        self.address = unsafe SocketAddress { unsafe getsockname(bound, $0, $1) } ?? address
        file = if case .unix(let path) = address { FileIdentity(ofFileAt: path) } else { nil }
    }

    deinit {
        // The file may have been removed, and another process may listen on the path now. While the socket is open, no
        // other file has its inode.
        if case .unix(let path) = address, let file, file == FileIdentity(ofFileAt: path) { unsafe unlink(path) }
        closeDescriptor(descriptor)
    }

    /// Another descriptor of the socket, which the caller must close.
    package func duplicate() throws(SystemError) -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw .last }
        return copy
    }

    private static func bindAndListen(
        _ address: SocketAddress, _ keepalive: Keepalive, _ backlog: Int32
    ) throws(SystemError) -> Int32 {
        let descriptor = try makeStreamSocket(for: address, keepalive: keepalive)
        // A restarted server can bind its port at once, and each family has a listener of its own.
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if case .ipv6 = address { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        if case .unix(let path) = address { removeStaleSocket(path, address) }
        var result = unsafe address.withSystemAddress { unsafe bind(descriptor, $0, $1) }
        if result == 0 { result = listen(descriptor, backlog) }
        guard result == 0 else {
            let error = SystemError.last
            closeDescriptor(descriptor)
            throw error
        }
        // As PostgreSQL's default of unix_socket_permissions: the server decides which clients may connect.
        if case .unix(let path) = address { unsafe chmod(path, 0o777) }
        return descriptor
    }

    /// Removes the socket file of a process that has ended: one that refuses connections, as a file that is not a
    /// socket does, too.
    private static func removeStaleSocket(_ path: String, _ address: SocketAddress) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        guard let probe = try? makeStreamSocket(for: address) else { return }
        defer { closeDescriptor(probe) }
        let result = unsafe address.withSystemAddress { unsafe Glibc.connect(probe, $0, $1) }
        if result != 0, errno == ECONNREFUSED { unsafe unlink(path) }
    }
}

/// Identifies a file among others with the same path.
private struct FileIdentity: Equatable {
    let device: dev_t
    let inode: ino_t

    /// The identity of the file itself, also of a symbolic link; nil where there is none.
    init?(ofFileAt path: String) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        (device, inode) = (status.st_dev, status.st_ino)
    }
}
