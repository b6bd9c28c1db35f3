// A listening socket, which accepts clients and hands them on.

import CLibevent
import Glibc

/// Accepts on one address for as long as the object exists. At its end a Unix socket's file is removed, if it is still
/// the same.
package final class Listener: EventSource {
    /// The bound address, with the port the system chose for port 0.
    package let address: SocketAddress

    private let descriptor: Int32
    /// The file of a Unix socket.
    private let file: FileIdentity?
    private let handler: (Result<AcceptedSocket, SystemError>) -> Void

    /// `pause` was called while clients are being accepted.
    private var isPaused = false

    /// The number of clients that are accepted in one wake-up, so that other events have their turn.
    private static let batch = 16

    /// Binds and listens; `resume` begins to accept.
    ///
    /// - Parameters:
    ///   - keepalive: the settings for the clients' connections.
    ///   - handler: receives each client, or the reason why one could not be accepted. It may call `pause`.
    package init(
        loop: LibeventLoop,
        address: SocketAddress,
        keepalive: Keepalive = .system,
        _ handler: @escaping (Result<AcceptedSocket, SystemError>) -> Void
    ) throws(SystemError) {
        let bound = try Self.bindAndListen(address, keepalive)
        descriptor = bound
        self.address = unsafe SocketAddress { unsafe getsockname(bound, $0, $1) } ?? address
        file = if case .unix(let path) = address { FileIdentity(ofFileAt: path) } else { nil }
        self.handler = handler
        super.init(loop: loop, descriptor: descriptor, events: Int16(EV_READ) | Int16(EV_PERSIST))
    }

    deinit {
        freeEvent()
        // The file may have been removed, and another process may listen on the path now. While the socket is open, no
        // other file has its inode.
        if case .unix(let path) = address, let file, file == FileIdentity(ofFileAt: path) { unsafe unlink(path) }
        closeDescriptor(descriptor)
    }

    package func resume() {
        add()
    }

    /// Leaves new clients in the kernel's queue.
    package func pause() {
        remove()
        isPaused = true
    }

    override func fire(_ events: Int16) {
        isPaused = false
        for _ in 0..<Self.batch where !isPaused {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let client = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe accept4(descriptor, $0, &length, flags)
                }
            }
            if client >= 0 {
                // A client on a Unix socket can have bound its own to any path, which is of no use and could contain
                // anything.
                let peer = address.isUnix ? nil : SocketAddress(storage, length: length)
                // A wildcard listener passes SO_KEEPALIVE to loopback clients, too, which are not probed.
                if !address.isLoopback, peer?.isLoopback == true { setOption(client, SOL_SOCKET, SO_KEEPALIVE, 0) }
                handler(.success(AcceptedSocket(descriptor: client, peer: peer ?? .unix(path: ""))))
                continue
            }
            let error = SystemError.last
            if error.isTryAgain { return }
            // The client left while it waited; there may be another one.
            if error.code == ECONNABORTED || error.code == EINTR { continue }
            handler(.failure(error))
            return
        }
    }

    private static func bindAndListen(_ address: SocketAddress, _ keepalive: Keepalive) throws(SystemError) -> Int32 {
        let descriptor = try makeStreamSocket(for: address, keepalive: keepalive)
        // A restarted server can bind its port at once, and each family has a listener of its own.
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if case .ipv6 = address { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        if case .unix(let path) = address { removeStaleSocket(path, address) }
        var result = unsafe address.withSystemAddress { unsafe bind(descriptor, $0, $1) }
        if result == 0 { result = listen(descriptor, SOMAXCONN) }
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
