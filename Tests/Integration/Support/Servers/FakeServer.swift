// A fake server, which accepts connections and sends messages that a real one would not.

import Foundation
import PostgresProtocol
import TestSupport

/// A listening socket on 127.0.0.1, closed when the object is released.
final class FakeServer {
    let port: UInt16
    private let descriptor: Int32

    /// - Parameters:
    ///   - isListening: false takes the port and refuses every connection.
    ///   - receiveBuffer: bytes of the accepted sockets' receive buffers; nil leaves it to the system.
    init(isListening: Bool = true, receiveBuffer: Int32? = nil) throws {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var candidate: UInt16 = 0
        repeat { candidate = try freePort() } while unsafe withLoopback(candidate) { unsafe bind(socket, $0, $1) } != 0
        (descriptor, port) = (socket, candidate)
        if var receiveBuffer {
            unsafe setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        if isListening { listen(descriptor, 16) }
    }

    /// Listens on the address of another host.
    init(in namespace: NetworkNamespace) throws {
        let port: UInt16 = 5432
        descriptor = try namespace.enter {
            let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            let result = unsafe withLoopback(port, host: namespace.ownAddress) { unsafe bind(socket, $0, $1) }
            guard result == 0, listen(socket, 16) == 0 else { throw RawClientError.failed(errno) }
            return socket
        }
        self.port = port
    }

    /// Listens on a port of 127.0.0.2.
    init(besides port: UInt16) throws {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        (descriptor, self.port) = (socket, port)
        guard unsafe withLoopback(port, host: 0x7f00_0002, { unsafe bind(socket, $0, $1) }) == 0,
            listen(socket, 16) == 0
        else {
            throw RawClientError.failed(errno)
        }
    }

    /// Listens on a Unix socket.
    init(path: String) throws {
        (descriptor, port) = (socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0), 0)
        guard unsafe withUnixSocket(path, { unsafe bind(descriptor, $0, $1) }) == 0, listen(descriptor, 16) == 0 else {
            throw RawClientError.failed(errno)
        }
    }

    deinit {
        close(descriptor)
    }

    var address: String { "127.0.0.1:\(port)" }

    /// A client has connected and was not accepted yet.
    var isCalled: Bool {
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&query, 1, 0) > 0
    }

    /// Waits for a connection.
    func accept() throws -> RawClient {
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&query, 1, 10_000) > 0 else { throw RawClientError.timedOut }
        return RawClient(accepted: Foundation.accept(descriptor, nil, nil))
    }

    /// Waits for pgleash's startup check of the server, and closes.
    func acceptProbe() throws {
        let probe = try accept()
        _ = try probe.readBytes(Frontend.sslRequest.count)
        probe.close()
    }

    /// Waits for a connection and its startup packet, refuses encryption, and answers that the session is ready.
    func acceptSession() throws -> RawClient {
        let session = try accept()
        try session.readStartup()
        try session.send(
            message("R", int32(0)) + message("K", int32(1) + int32(2))
                + message("Z", [UInt8(ascii: "I")])
        )
        return session
    }
}

extension RawClient {
    /// As a server: reads a startup packet, and refuses encryption before it.
    ///
    /// - Returns: the packet without its length field.
    @discardableResult
    func readStartup() throws -> [UInt8] {
        while true {
            let length = try readBytes(4).reduce(0) { $0 << 8 | Int($1) }
            let packet = try readBytes(length - 4)
            guard length == 8 else { return packet }
            try send([UInt8(ascii: "N")])
        }
    }
}
