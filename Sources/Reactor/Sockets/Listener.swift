// The acceptor of a listening socket, which accepts clients and hands them on.

import CLibevent
import Glibc

/// Accepts on one address for as long as the object exists.
package final class Listener: EventSource {
    private let socket: ListeningSocket
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
        socket = try ListeningSocket(address, keepalive: keepalive)
        self.handler = handler
        super.init(loop: loop, descriptor: socket.descriptor, events: Int16(EV_READ) | Int16(EV_PERSIST))
    }

    deinit {
        freeEvent()
    }

    /// The bound address, with the port the system chose for port 0.
    package var address: SocketAddress { socket.address }

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
                    unsafe accept4(socket.descriptor, $0, &length, flags)
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
}
