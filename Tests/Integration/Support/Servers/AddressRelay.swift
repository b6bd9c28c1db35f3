// A relay whose connections come to the server from another address with the same ports, as where a system translates
// addresses. It can withhold the cancel keys, as some managed proxies do.

import Foundation
import PostgresProtocol
import Synchronization
import TestSupport

/// A listening socket with a thread for each direction of its connections. New connections end with the object.
final class AddressRelay {
    private let listener: Int32
    let port: UInt16

    /// - Parameters:
    ///   - server: the port of 127.0.0.1 that it relays to.
    ///   - withholdsKeys: no BackendKeyData is passed on.
    init(to server: UInt16, withholdsKeys: Bool) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let port = try freePort()
        guard unsafe withLoopback(port, { unsafe bind(listener, $0, $1) }) == 0, listen(listener, 128) == 0 else {
            throw RawClientError.failed(errno)
        }
        (self.listener, self.port) = (listener, port)
        Thread.detachNewThread {
            while true {
                var address = sockaddr_in()
                var length = socklen_t(MemoryLayout<sockaddr_in>.size)
                let client = unsafe withUnsafeMutablePointer(to: &address) { pointer in
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe accept(listener, $0, &length)
                    }
                }
                guard client >= 0 else { return }
                Self.relay(client, to: server, from: UInt16(bigEndian: address.sin_port), withholdsKeys)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    var address: String { "127.0.0.1:\(port)" }

    /// - Parameter port: that of the client, which the relay uses on 127.0.0.3.
    private static func relay(_ client: Int32, to server: UInt16, from port: UInt16, _ withholdsKeys: Bool) {
        let onward = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var reuse: Int32 = 1
        unsafe setsockopt(onward, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        guard unsafe withLoopback(port, host: 0x7f00_0003, { unsafe bind(onward, $0, $1) }) == 0,
            unsafe withLoopback(server, { unsafe connect(onward, $0, $1) }) == 0
        else {
            close(client)
            return
        }
        let (fromClient, fromServer) = (RawClient(accepted: client), RawClient(accepted: onward))
        let ends = Ends(client: fromClient, server: fromServer)
        Thread.detachNewThread { ends.passRequests() }
        Thread.detachNewThread { ends.passAnswers(withholdsKeys) }
    }
}

/// Both sockets of a connection; each direction has its own thread.
private final class Ends: @unchecked Sendable {
    private let client: RawClient
    private let server: RawClient

    init(client: RawClient, server: RawClient) { (self.client, self.server) = (client, server) }

    func passRequests() {
        while let bytes = try? client.receive(), (try? server.send(bytes)) != nil {}
        server.shutdownSending()
    }

    /// - Parameter withholdsKeys: the cancel key is left out.
    func passAnswers(_ withholdsKeys: Bool) {
        while let message = try? server.readMessage() {
            guard !withholdsKeys || message.kind != BackendKind.backendKeyData else { continue }
            guard (try? client.send([message.kind] + int32(message.body.count + 4) + message.body)) != nil else {
                break
            }
        }
        client.shutdownSending()
    }
}
