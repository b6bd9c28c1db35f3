// The keepalive options of sockets: set on those that a loop makes, inherited by those that a listener accepts, and not
// set between two ends on one machine.

import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `Keepalive options` {
        private static let some = Keepalive(
            idle: .seconds(7), interval: .seconds(3), count: 4, userTimeout: .milliseconds(1500)
        )

        /// The value of an option in each of the process's sockets with this local or remote port: in the listener, the
        /// connecting socket and the accepted one. Other tests make descriptors meanwhile, so the numbers are in no
        /// order.
        private func values(of option: Int32, at level: Int32 = Int32(IPPROTO_TCP), port: UInt16) -> [Int32] {
            let found = (Int32(3)..<1024).compactMap { descriptor -> (place: Int, value: Int32)? in
                guard let place = place(of: descriptor, port) else { return nil }
                return (place, value(of: option, at: level, descriptor))
            }
            return found.sorted { $0.place < $1.place }.map(\.value)
        }

        private func value(of option: Int32, at level: Int32, _ descriptor: Int32) -> Int32 {
            var value: Int32 = -1
            var length = socklen_t(MemoryLayout<Int32>.size)
            unsafe getsockopt(descriptor, level, option, &value, &length)
            return value
        }

        private func place(of descriptor: Int32, _ port: UInt16) -> Int? {
            if unsafe self.port(of: descriptor, getpeername) == port { return 1 }
            guard unsafe self.port(of: descriptor, getsockname) == port else { return nil }
            return value(of: SO_ACCEPTCONN, at: SOL_SOCKET, descriptor) == 1 ? 0 : 2
        }

        private func port(
            of descriptor: Int32,
            _ name: (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> Int32
        ) -> UInt16? {
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe name(descriptor, $0, &length)
                }
            }
            return result == 0 ? address.sin_port.bigEndian : nil
        }

        /// Checks the options of a listener on `address`, and of both ends of a connection that is made to `target`
        /// over 127.0.0.1.
        private func withConnection(
            on address: UInt32, to target: UInt32 = 0x7f00_0001, _ body: (_ port: UInt16) -> Void
        ) throws {
            let loop = LibeventLoop(receiveBufferSize: 1024, keepalive: Self.some)
            let port = try freePort()
            let accepted = Box<[AcceptedSocket]>([])
            let listener = try Listener(loop: loop, address: .ipv4(address, port: port), keepalive: Self.some) {
                if case .success(let socket) = $0 { accepted.value.append(socket) }
                loop.stop()
            }
            listener.resume()
            let client = try loop.connect(to: .ipv4(target, port: port))
            loop.runUntilStopped()
            #expect(values(of: TCP_USER_TIMEOUT, port: port) == [1500, 1500, 1500])
            #expect(values(of: TCP_NODELAY, port: port) == [1, 1, 1])
            body(port)
            accepted.value.forEach { closeDescriptor($0.descriptor) }
            withExtendedLifetime((loop, listener, client)) {}
        }

        /// Linux treats 0.0.0.0 as this machine; the program does not.
        @Test func `are set on the listener, on what it accepts, and on what a loop connects`() throws {
            try withConnection(on: 0, to: 0) { port in
                #expect(values(of: TCP_KEEPIDLE, port: port) == [7, 7, 7])
                #expect(values(of: TCP_KEEPINTVL, port: port) == [3, 3, 3])
                // One more than the 4, at the end of the timeout.
                #expect(values(of: TCP_KEEPCNT, port: port) == [5, 5, 5])
                // The accepted socket is identified by its peer.
                #expect(values(of: SO_KEEPALIVE, at: SOL_SOCKET, port: port) == [1, 1, 0])
            }
        }

        @Test func `are switched off for a client of the same machine`() throws {
            try withConnection(on: 0) { port in
                #expect(values(of: SO_KEEPALIVE, at: SOL_SOCKET, port: port) == [1, 0, 0])
            }
        }

        @Test func `are left out on the loopback device`() throws {
            try withConnection(on: 0x7f00_0001) { port in
                #expect(values(of: SO_KEEPALIVE, at: SOL_SOCKET, port: port) == [0, 0, 0])
            }
        }

        @Test func `know the machine's own addresses`() {
            let loopback: [SocketAddress] = [
                .ipv4(0x7f00_0001, port: 1), .ipv4(0x7fff_fffe, port: 1), .unix(path: "/s"),
                .ipv6(high: 0, low: 1, port: 1, scope: 0), .ipv6(high: 0, low: 0xffff_7f00_0001, port: 1, scope: 0),
            ]
            let others: [SocketAddress] = [
                .ipv4(0x7e00_0001, port: 1), .ipv4(0x8000_0001, port: 1), .ipv4(0, port: 1),
                .ipv6(high: 0, low: 0, port: 1, scope: 0), .ipv6(high: 1, low: 1, port: 1, scope: 0),
                .ipv6(high: 0, low: 0xffff_0a00_0001, port: 1, scope: 0),
            ]
            #expect(loopback.allSatisfy { $0.isLoopback })
            #expect(!others.contains { $0.isLoopback })
        }

        @Test func `make a connection wait for all probes, and for the system's where it says nothing`() {
            #expect(Self.some.timeout == .seconds(7 + 3 * 4))
            #expect(Keepalive.system.timeout == .seconds(7200 + 75 * 9))
        }
    }
}
