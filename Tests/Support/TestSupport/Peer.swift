// The other end of a connection, with plain system calls so that a test can end it in every possible way.

import Glibc
import Reactor

/// A connected socket without a loop, closed with this object at the latest.
package final class Peer {
    package private(set) var descriptor: Int32

    package init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close() }

    package func close() {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Ends with a reset instead of an orderly end.
    package func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    package func finish() {
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    @discardableResult
    package func write(_ bytes: [UInt8]) -> Int {
        unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// The bytes to read, at most `limit`; nil at the end or after an error.
    package func read(_ limit: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = unsafe recv(descriptor, &bytes, limit, 0)
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }
}

/// The two kinds of connection that differ in how they end.
package enum Transport: CaseIterable, Sendable { case tcp, unix }

/// A connection: a socket on the loop and its peer outside.
package func makePair(on loop: LibeventLoop, _ transport: Transport = .tcp) throws -> (any StreamSocket, Peer) {
    let (near, far) = try makeDescriptors(transport)
    let address: SocketAddress = transport == .tcp ? .ipv4(0x7f00_0001, port: 1) : .unix(path: "")
    return (loop.adopt(AcceptedSocket(descriptor: near, peer: address)), Peer(far))
}

/// Other tests start programs meanwhile; one with a copy of a socket would delay its end.
private let streamType = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

/// Two connected descriptors; the first one is non-blocking.
package func makeDescriptors(_ transport: Transport) throws -> (near: Int32, far: Int32) {
    var near: Int32
    let far: Int32
    switch transport {
    case .unix:
        var pair: [Int32] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, streamType, 0, &pair) == 0 else { throw SystemError(errno) }
        (near, far) = (pair[0], pair[1])
    case .tcp:
        let listener = try bindLoopback()
        defer { close(listener) }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        far = socket(AF_INET, streamType, 0)
        let isConnected = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(listener, $0, &length) == 0 && listen(listener, 1) == 0
                    && connect(far, $0, length) == 0
            }
        }
        near = accept(listener, nil, nil)
        // Bytes that a test writes should arrive at once.
        var noDelay: Int32 = 1
        unsafe setsockopt(far, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
        guard isConnected, near >= 0 else { throw SystemError(errno) }
    }
    guard fcntl(near, F_SETFL, O_NONBLOCK) == 0, fcntl(near, F_SETFD, FD_CLOEXEC) == 0 else { throw SystemError(errno) }
    return (near, far)
}

/// A socket bound to a port of 127.0.0.1 that the system chose.
private func bindLoopback() throws -> Int32 {
    let descriptor = socket(AF_INET, streamType, 0)
    let result = unsafe withLoopback(0) { unsafe bind(descriptor, $0, $1) }
    guard result == 0 else { throw SystemError(errno) }
    return descriptor
}

/// Lends the path of an empty directory and removes it with the files in it.
package func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    var template = Array("/tmp/pgleash-test-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else { throw SystemError(errno) }
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer {
        if let directory = unsafe opendir(path) {
            while let entry = unsafe readdir(directory) {
                let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
                unsafe unlink(path + "/" + String(decoding: name, as: UTF8.self))
            }
            unsafe closedir(directory)
        }
        unsafe rmdir(path)
    }
    return try body(path)
}
