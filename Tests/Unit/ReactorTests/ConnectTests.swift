// Connecting: success, every kind of refusal, and the peer's address.

import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `Connecting` {
        /// Connects and returns the result of `takeError` once the socket is writable, or the error that was thrown at
        /// once.
        private func outcome(_ loop: LibeventLoop, _ address: SocketAddress) -> SystemError? {
            do throws(SystemError) {
                let socket = try loop.connect(to: address)
                let error = Box<SystemError?>(.timedOut)
                let owner = Recorder { socket, readiness in
                    #expect(readiness == .writable)
                    error.value = socket.takeError()
                    socket.close()
                    loop.stop()
                }
                socket.owner = owner
                socket.interest = .write
                loop.runUntilStopped()
                withExtendedLifetime(owner) {}
                return error.value
            } catch {
                return error
            }
        }

        @Test func `succeeds with a listener`() throws {
            try withTemporaryDirectory { directory in
                try withLoop { loop in
                    var addresses = [
                        SocketAddress.ipv4(0x7f00_0001, port: try freePort()), .unix(path: directory + "/s"),
                    ]
                    if `A listener`.hasIPv6 {
                        addresses.append(.ipv6(high: 0, low: 1, port: try freePort(), scope: 0))
                    }
                    for address in addresses {
                        let listener = try Listener(loop: loop, address: address) { _ in }
                        #expect(outcome(loop, address) == nil, "\(address)")
                        withExtendedLifetime(listener) {}
                    }
                }
            }
        }

        @Test func `is refused without a listener`() throws {
            try withLoop { loop in
                let port = try freePort()
                #expect(outcome(loop, .ipv4(0x7f00_0001, port: port)) == SystemError(ECONNREFUSED))
                #expect(outcome(loop, .unix(path: "/no/such/socket")) == SystemError(ENOENT))
            }
        }

        @Test func `fails at once where no way leads`() throws {
            withLoop { loop in
                // TCP does not connect to a multicast address, whatever the routes of this machine are.
                let error = outcome(loop, .ipv4(0xe000_0001, port: 5_432))
                #expect(error == SystemError(ENETUNREACH))
                #expect(error?.isTimeout == true)
            }
        }

        @Test func `that failed leaves no descriptor behind`() throws {
            try withLoop { loop in
                let port = try freePort()
                let before = try openDescriptors()
                for _ in 0..<300 {
                    _ = outcome(loop, .unix(path: "/no/such/socket"))
                    _ = outcome(loop, .ipv4(0xe000_0001, port: port))
                }
                // Other suites of this process open descriptors meanwhile.
                #expect(try openDescriptors() - before < 200)
            }
        }

        @Test func `returns the peer's address at both ends`() throws {
            try withTemporaryDirectory { directory in
                var addresses = [SocketAddress.ipv4(0x7f00_0001, port: try freePort()), .unix(path: directory + "/s")]
                if `A listener`.hasIPv6 {
                    addresses.append(.ipv6(high: 0, low: 1, port: try freePort(), scope: 0))
                }
                for address in addresses {
                    try withLoop { loop in
                        let accepted = Box<AcceptedSocket?>(nil)
                        let listener = try Listener(loop: loop, address: address) { result in
                            accepted.value = try? result.get()
                            loop.stop()
                        }
                        listener.resume()
                        let client = try loop.connect(to: address)
                        loop.runUntilStopped()
                        #expect(client.peerAddress == address)
                        let server = loop.adopt(try #require(accepted.value))
                        #expect(server.peerAddress == accepted.value?.peer)
                        if address.isUnix { #expect(server.peerAddress == .unix(path: "")) }
                        client.close()
                        #expect(client.peerAddress == nil)
                        withExtendedLifetime(listener) {}
                    }
                }
            }
        }
    }
}

/// The number of open descriptors of this process.
func openDescriptors() throws -> Int {
    guard let directory = unsafe opendir("/proc/self/fd") else { throw SystemError(errno) }
    defer { unsafe closedir(directory) }
    var count = 0
    while unsafe readdir(directory) != nil { count += 1 }
    return count
}
