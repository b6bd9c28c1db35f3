// A client that consists of a socket and bytes, for messages that no driver sends: it blocks, but with a limit.

import Foundation
import PostgresProtocol
import TestSupport

/// A message of the server.
struct Message: Equatable {
    let kind: UInt8
    let body: [UInt8]

    /// A field of an ErrorResponse or NoticeResponse, such as `C` for the code and `M` for the text.
    func field(_ code: Unicode.Scalar) -> String {
        for field in body.split(separator: 0) where field.first == UInt8(ascii: code) {
            return String(decoding: field.dropFirst(), as: UTF8.self)
        }
        return ""
    }
}

/// The end of the server's bytes.
enum RawClientError: Error, Equatable {
    case endOfStream
    case failed(Int32)
    case timedOut
}

/// One socket, closed when the object is released.
final class RawClient {
    private(set) var descriptor: Int32
    /// The body of the BackendKeyData.
    private(set) var key: [UInt8] = []
    private var received: [UInt8] = []
    private var receivedStart = 0
    private var encryption: EncryptedSocket?
    /// The seconds that it waits for the other side, each time.
    static let timeout = 20

    /// Connects to 127.0.0.1, unless another address is given.
    init(port: UInt16, host: UInt32 = 0x7f00_0001, receiveBuffer: Int32? = nil, timeout: Int = timeout) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if let receiveBuffer { setOption(SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        setTimeout(timeout)
        setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1 as Int32)
        guard unsafe withLoopback(port, host: host, { unsafe connect(descriptor, $0, $1) }) == 0 else {
            throw RawClientError.failed(errno)
        }
    }

    /// Connects to a Unix socket.
    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        setTimeout()
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw RawClientError.failed(errno) }
    }

    /// Takes over the socket of a server.
    init(accepted: Int32) {
        descriptor = accepted
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        setTimeout()
    }

    deinit {
        close()
    }

    private func setTimeout(_ seconds: Int = timeout) {
        setOption(SOL_SOCKET, SO_RCVTIMEO, timeval(tv_sec: seconds, tv_usec: 0))
        setOption(SOL_SOCKET, SO_SNDTIMEO, timeval(tv_sec: seconds, tv_usec: 0))
    }

    private func setOption<Value: BitwiseCopyable>(_ level: Int32, _ name: Int32, _ value: Value) {
        var value = value
        unsafe setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Value>.size))
    }

    // MARK: The ways to leave

    /// FIN, or RST when bytes are unread.
    func close() {
        guard descriptor >= 0 else { return }
        encryption = nil
        Foundation.close(descriptor)
        descriptor = -1
    }

    /// RST.
    func reset() {
        setOption(SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
        close()
    }

    /// FIN, while it could still read.
    func shutdownSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    // MARK: Sending and receiving

    /// Encrypts all further bytes.
    func encrypt() throws {
        try send(Frontend.sslRequest)
        guard try readBytes(1) == [UInt8(ascii: "S")] else { throw RawClientError.failed(EPROTO) }
        encryption = try EncryptedSocket(descriptor: descriptor)
    }

    /// As send(2).
    private func send(_ bytes: UnsafeRawBufferPointer, flags: Int) -> Int {
        if let encryption {
            return unsafe encryption.send(bytes, within: flags & MSG_DONTWAIT == 0 ? Int32(Self.timeout) * 1000 : 0)
        }
        return unsafe Foundation.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL | flags))
    }

    /// As recv(2).
    private func receive(_ bytes: UnsafeMutableRawPointer, limit: Int) -> Int {
        if let encryption { return unsafe encryption.receive(bytes, limit: limit, within: Int32(Self.timeout) * 1000) }
        return unsafe recv(descriptor, bytes, limit, 0)
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe send($0, flags: 0) }
            guard count > 0 else { throw RawClientError.failed(errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// Sends until no more is taken for this number of milliseconds.
    ///
    /// - Returns: the number of bytes sent.
    @discardableResult
    func sendWhatFits(_ bytes: ArraySlice<UInt8>, within milliseconds: Int32) -> Int {
        var rest = bytes
        while !rest.isEmpty {
            var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard unsafe poll(&query, 1, milliseconds) > 0 else { break }
            let count = unsafe rest.withUnsafeBytes { unsafe send($0, flags: MSG_DONTWAIT) }
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        return bytes.count - rest.count
    }

    /// Receives the next bytes, at most `limit`.
    func receive(limit: Int = 65_536) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = unsafe receive(&buffer, limit: limit)
        if count == 0 { throw RawClientError.endOfStream }
        if count < 0 { throw errno == EAGAIN ? RawClientError.timedOut : RawClientError.failed(errno) }
        return Array(buffer[..<count])
    }

    /// Discards all bytes until none arrive for this number of milliseconds.
    func skipWhatComes(within milliseconds: Int32) throws {
        (received, receivedStart) = ([], 0)
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while unsafe encryption?.hasMore == true || poll(&query, 1, milliseconds) > 0 { _ = try receive() }
    }

    /// All bytes up to the end of the stream.
    func readToEnd() throws -> [UInt8] {
        var bytes = Array(received[receivedStart...])
        received = []
        receivedStart = 0
        while true {
            do {
                bytes += try receive()
            } catch RawClientError.endOfStream {
                return bytes
            }
        }
    }

    func readBytes(_ count: Int) throws -> [UInt8] {
        while received.count - receivedStart < count { received += try receive() }
        defer {
            receivedStart += count
            if receivedStart == received.count { (received, receivedStart) = ([], 0) }
        }
        return Array(received[receivedStart..<receivedStart + count])
    }

    /// Discards bytes.
    func skipBytes(_ count: Int) throws {
        var left = count - min(count, received.count - receivedStart)
        _ = try readBytes(count - left)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while left > 0 {
            let count = unsafe receive(&buffer, limit: min(left, buffer.count))
            guard count > 0 else { throw count == 0 ? RawClientError.endOfStream : RawClientError.failed(errno) }
            left -= count
        }
    }

    /// Type byte and length of the next message's body.
    func readHeader() throws -> (kind: UInt8, length: Int) {
        let header = try readBytes(5)
        return (header[0], header[1...].reduce(0) { $0 << 8 | Int($1) } - 4)
    }

    func readMessage() throws -> Message {
        let (kind, length) = try readHeader()
        return Message(kind: kind, body: try readBytes(length))
    }

    /// Messages up to the first one of this kind, that one included.
    @discardableResult
    func read(until kind: UInt8) throws -> [Message] {
        var messages: [Message] = []
        repeat { messages.append(try readMessage()) } while messages.last?.kind != kind
        return messages
    }

    /// Opens a session, up to the first ReadyForQuery.
    ///
    /// - Parameter requests: sent with the startup packet.
    @discardableResult
    func startUp(
        name: String, parameters: [(String, String)] = [], followedBy requests: [UInt8] = []
    ) throws -> [Message] {
        try send(Frontend.startup(name: name, parameters: parameters) + requests)
        let messages = try read(until: BackendKind.readyForQuery)
        key = messages.first { $0.kind == BackendKind.backendKeyData }?.body ?? []
        return messages
    }

    /// The client's own address and port, as the other side sees them.
    var localAddress: String {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            _ = unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &length)
            }
        }
        return "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
    }

    /// The process ID of the backend.
    var backendPID: Int { key.prefix(4).reduce(0) { $0 << 8 | Int($1) } }
}
