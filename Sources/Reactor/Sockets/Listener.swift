// A listening socket: it accepts clients and hands them on.

import CLibevent
import Glibc

/// Accepts on one address for as long as it lives. A Unix socket's file goes with it, if it is still the same.
package final class Listener: EventSource {
    /// The bound address, with the port the system chose where 0 was asked for.
    package let address: SocketAddress

    private let descriptor: Int32
    /// Of a Unix socket.
    private let file: FileIdentity?
    private let handler: (Result<AcceptedSocket, SystemError>) -> Void

    /// `pause` was called while clients are being accepted.
    private var isPaused = false

    /// Clients accepted in one wake-up, so that a storm of them leaves time for the rest.
    private static let batch = 16

    /// Binds and listens; accepting begins with `resume`.
    ///
    /// - Parameters:
    ///   - keepalive: of the clients' connections.
    ///   - handler: takes each client, or why one couldn't be accepted. It may call `pause`.
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
        // Others may have removed the file, and another process may listen on the path by now. While the socket is
        // open, no other file has its inode.
        if case .unix(let path) = address, let file, file == FileIdentity(ofFileAt: path) { unsafe unlink(path) }
        closeDescriptor(descriptor)
    }

    package func resume() {
        add()
    }

    /// Leaves new clients waiting in the kernel's queue.
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
                // A client on a Unix socket may have bound its own to any path; of no use, and it could hold anything.
                let peer = address.isUnix ? nil : SocketAddress(storage, length: length)
                // What listens on all addresses is probed by what it hands down.
                if !address.isLoopback, peer?.isLoopback == true { setOption(client, SOL_SOCKET, SO_KEEPALIVE, 0) }
                handler(.success(AcceptedSocket(descriptor: client, peer: peer ?? .unix(path: ""))))
                continue
            }
            let error = SystemError.last
            if error.isTryAgain { return }
            // The client left while it waited; the next one may be there.
            if error.code == ECONNABORTED || error.code == EINTR { continue }
            handler(.failure(error))
            return
        }
    }

    private static func bindAndListen(_ address: SocketAddress, _ keepalive: Keepalive) throws(SystemError) -> Int32 {
        let descriptor = try makeStreamSocket(for: address, keepalive: keepalive)
        // A server may come back to its port at once; and each family has a listener of its own.
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
        // As PostgreSQL's unix_socket_permissions does by default: who may connect is the server's to say.
        if case .unix(let path) = address { unsafe chmod(path, 0o777) }
        return descriptor
    }

    /// Removes the socket file of a process that is no more: one that refuses connections, as a file that is no socket
    /// does too.
    private static func removeStaleSocket(_ path: String, _ address: SocketAddress) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        guard let probe = try? makeStreamSocket(for: address) else { return }
        defer { closeDescriptor(probe) }
        let result = unsafe address.withSystemAddress { unsafe Glibc.connect(probe, $0, $1) }
        if result != 0, errno == ECONNREFUSED { unsafe unlink(path) }
    }
}

/// Tells a file from others that come to stand at its path.
private struct FileIdentity: Equatable {
    let device: dev_t
    let inode: ino_t

    /// Of the file itself, be it a symbolic link; nil where there is none.
    init?(ofFileAt path: String) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        (device, inode) = (status.st_dev, status.st_ino)
    }
}
