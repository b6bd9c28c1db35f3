// Finds ports for servers. Nothing reserves them: who gets one must be ready to try another.

import Foundation

/// A port that is free now, below the range the kernel takes the ports of outgoing connections from.
func freePort() throws -> UInt16 {
    for _ in 0..<100 {
        let port = UInt16.random(in: 20_000..<32_000)
        if isFree(port) { return port }
    }
    throw TimedOut(description: "no free port found")
}

/// Starts a program that listens on a port of its own, on one that turns out to be free.
///
/// - Parameters:
///   - sign: what it writes to standard error as soon as it listens; nil for one that writes nothing.
///   - start: starts it with this port.
func startOnFreePort(
    _ name: String, sign: String? = nil, _ start: (UInt16) throws -> ChildProcess
) throws -> (port: UInt16, process: ChildProcess) {
    var lastWords = ""
    for _ in 0..<20 {
        let port = try freePort()
        let process = try start(port)
        try wait(for: "the start of \(name)", within: .seconds(30)) {
            !process.isRunning || sign.map { process.errorOutput.contains($0) } ?? !isFree(port)
        }
        if process.isRunning { return (port, process) }
        lastWords = process.output + process.errorOutput
    }
    throw TimedOut(description: "\(name) did not start: \(lastWords)")
}

private func isFree(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    return withLoopback(port) { bind(descriptor, $0, $1) } == 0
}

/// Calls `body` with a loopback address, 127.0.0.1 unless another is given, and a port as the system calls want it.
func withLoopback<Result>(
    _ port: UInt16, host: UInt32 = 0x7f00_0001, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = host.bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

/// Calls `body` with the address of a Unix socket as the system calls want it.
func withUnixSocket<Result>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
