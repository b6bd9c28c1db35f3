// Listening on each kind of address: clients are accepted when they should be, and only pgleash's own files are
// removed.

import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `A listener` {
        /// Whether this machine has IPv6; containers often lack it.
        static let hasIPv6 = readText("/proc/net/if_inet6")?.contains("00000000000000000000000000000001") ?? false

        /// Connects `count` clients to a listener at `address` and returns those that it accepted.
        private func accept(_ count: Int, at address: SocketAddress) throws -> [SocketAddress] {
            try withLoop { loop in
                let peers = Box<[SocketAddress]>([])
                let listener = try Listener(loop: loop, address: address) { result in
                    guard case .success(let accepted) = result else {
                        Issue.record("\(result)")
                        return loop.stop()
                    }
                    peers.value.append(accepted.peer)
                    // The descriptor has the flags that a loop needs.
                    #expect(fcntl(accepted.descriptor, F_GETFL) & O_NONBLOCK != 0)
                    #expect(fcntl(accepted.descriptor, F_GETFD) & FD_CLOEXEC != 0)
                    closeDescriptor(accepted.descriptor)
                    if peers.value.count == count { loop.stop() }
                }
                listener.resume()
                let clients = try (0..<count).map { _ in try loop.connect(to: address) }
                loop.runUntilStopped()
                withExtendedLifetime((listener, clients)) {}
                return peers.value
            }
        }

        @Test func `accepts on IPv4, more clients than one wake-up takes`() throws {
            let peers = try accept(150, at: .ipv4(0x7f00_0001, port: freePort()))
            #expect(peers.count == 150)
            #expect(Set(peers).count == 150)
            #expect(peers.allSatisfy { $0.description.hasPrefix("127.0.0.1:") })
        }

        @Test(.enabled(if: hasIPv6)) func `accepts on IPv6, and leaves IPv4 to another`() throws {
            let port = try freePort()
            let peers = try accept(3, at: .ipv6(high: 0, low: 1, port: port, scope: 0))
            #expect(peers.count == 3)
            #expect(peers.allSatisfy { $0.description.hasPrefix("[::1]:") })
            try withLoop { loop in
                let wildcards = [SocketAddress.ipv6(high: 0, low: 0, port: port, scope: 0), .ipv4(0, port: port)]
                let listeners = try wildcards.map { try Listener(loop: loop, address: $0) { _ in } }
                #expect(listeners.count == 2)
            }
        }

        @Test func `accepts on a Unix socket that any user may connect to`() throws {
            try withTemporaryDirectory { directory in
                let path = directory + "/.s.PGSQL.5432"
                let peers = try accept(3, at: .unix(path: path))
                #expect(peers == [.unix(path: ""), .unix(path: ""), .unix(path: "")])
                #expect(unsafe access(path, F_OK) != 0, "the file goes with the listener")
                try withLoop { loop in
                    let listener = try Listener(loop: loop, address: .unix(path: path)) { _ in }
                    var status = stat()
                    #expect(unsafe stat(path, &status) == 0)
                    #expect(status.st_mode & 0o777 == 0o777)
                    withExtendedLifetime(listener) {}
                }
            }
        }

        @Test func `leaves the socket file of a successor`() throws {
            try withTemporaryDirectory { directory in
                try withLoop { loop in
                    let address = SocketAddress.unix(path: directory + "/s")
                    var first: Listener? = try Listener(loop: loop, address: address) { _ in }
                    // As a program that removes temporary files does.
                    unsafe unlink(directory + "/s")
                    let second = try Listener(loop: loop, address: address) { _ in }
                    first = nil
                    _ = try loop.connect(to: address)
                    withExtendedLifetime((first, second)) {}
                }
                #expect(unsafe access(directory + "/s", F_OK) != 0, "the successor's own goes with it")
            }
        }

        @Test func `takes a Unix path of the greatest length`() throws {
            try withTemporaryDirectory { directory in
                let name = String(repeating: "x", count: SocketAddress.longestPath - directory.utf8.count - 1)
                let peers = try accept(1, at: .unix(path: directory + "/" + name))
                #expect(peers.count == 1)
            }
        }

        @Test func `knows the port the system chose`() throws {
            try withLoop { loop in
                let accepted = Box(0)
                let listener = try Listener(loop: loop, address: .ipv4(0x7f00_0001, port: 0)) { result in
                    if case .success(let client) = result { closeDescriptor(client.descriptor) }
                    accepted.value += 1
                    loop.stop()
                }
                try #require(listener.address != .ipv4(0x7f00_0001, port: 0))
                listener.resume()
                let client = try loop.connect(to: listener.address)
                loop.runUntilStopped()
                #expect(accepted.value == 1)
                withExtendedLifetime(client) {}
            }
        }

        @Test func `leaves clients waiting while it is paused`() throws {
            try withLoop { loop in
                let address = SocketAddress.ipv4(0x7f00_0001, port: try freePort())
                let (accepted, listener) = (Box(0), Box<Listener?>(nil))
                listener.value = try Listener(loop: loop, address: address) { result in
                    if case .success(let client) = result { closeDescriptor(client.descriptor) }
                    accepted.value += 1
                    // Several clients wait; the pause applies to those of the same wake-up, too.
                    listener.value?.pause()
                }
                let clients = try (0..<3).map { _ in try loop.connect(to: address) }
                let processorTime = loop.run(for: .milliseconds(50))
                #expect(accepted.value == 0, "it accepts from resume on")
                #expect(processorTime < idleProcessorTime)
                for expected in 1...3 {
                    listener.value?.resume()
                    loop.run(for: .milliseconds(30))
                    #expect(accepted.value == expected)
                }
                withExtendedLifetime(clients) {}
            }
        }

        @Test func `may be released by its handler`() throws {
            try withLoop { loop in
                let address = SocketAddress.ipv4(0x7f00_0001, port: try freePort())
                let (accepted, listener) = (Box(0), Box<Listener?>(nil))
                listener.value = try Listener(loop: loop, address: address) { result in
                    if case .success(let client) = result { closeDescriptor(client.descriptor) }
                    accepted.value += 1
                    listener.value?.pause()
                    listener.value = nil
                    loop.stop()
                }
                listener.value?.resume()
                let clients = try (0..<3).map { _ in try loop.connect(to: address) }
                loop.runUntilStopped()
                #expect(accepted.value == 1)
                withExtendedLifetime(clients) {}
            }
        }

        @Test func `is refused an address that is taken`() throws {
            try withTemporaryDirectory { directory in
                try withLoop { loop in
                    let addresses = [
                        SocketAddress.ipv4(0x7f00_0001, port: try freePort()), .unix(path: directory + "/s"),
                    ]
                    for address in addresses {
                        let first = try Listener(loop: loop, address: address) { _ in }
                        #expect(throws: SystemError(EADDRINUSE)) { try Listener(loop: loop, address: address) { _ in } }
                        // The file of the active listener still exists, and it still listens.
                        _ = try loop.connect(to: address)
                        withExtendedLifetime(first) {}
                    }
                }
            }
        }

        @Test func `replaces the socket file of a process that is no more`() throws {
            try withTemporaryDirectory { directory in
                let path = directory + "/s"
                // A killed process leaves such a file, and so does a bound socket that is closed.
                let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                var address = sockaddr_un()
                address.sun_family = sa_family_t(AF_UNIX)
                unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
                let result = unsafe withUnsafePointer(to: &address) { pointer in
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe bind(dead, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
                try #require(result == 0)
                close(dead)
                try #require(unsafe access(path, F_OK) == 0)
                let peers = try accept(1, at: .unix(path: path))
                #expect(peers.count == 1)
            }
        }

        @Test func `removes no file that is not a socket`() throws {
            try withTemporaryDirectory { directory in
                let path = directory + "/precious"
                unsafe close(open(path, O_CREAT | O_WRONLY, 0o600))
                withLoop { loop in
                    _ = #expect(throws: SystemError(EADDRINUSE)) {
                        try Listener(loop: loop, address: .unix(path: path)) { _ in }
                    }
                }
                var status = stat()
                #expect(unsafe stat(path, &status) == 0)
                #expect(status.st_mode & S_IFMT == S_IFREG)
            }
        }

        @Test func `is refused where it may not be`() throws {
            withLoop { loop in
                // 198.51.100.1 is for documentation; machines have no such address.
                #expect(throws: SystemError(EADDRNOTAVAIL)) {
                    try Listener(loop: loop, address: .ipv4(0xc633_6401, port: 0)) { _ in }
                }
                #expect(throws: SystemError(ENOENT)) {
                    try Listener(loop: loop, address: .unix(path: "/no/such/directory/s")) { _ in }
                }
            }
            #expect(SystemError(EADDRNOTAVAIL).isAddressUnavailable)
        }
    }
}
