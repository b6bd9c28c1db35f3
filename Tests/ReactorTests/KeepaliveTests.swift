// The keepalive options of sockets: set on those a loop makes, and handed down to those a listener accepts.

import Glibc
import Reactor
import Testing

extension RealLoop {
    @Suite struct `Keepalive options` {
        private static let some = Keepalive(
            idle: .seconds(7), interval: .seconds(3), count: 4, userTimeout: .milliseconds(1500)
        )

        /// The value of a TCP option in each of the process's sockets that has this one as its local or remote port.
        private func values(of option: Int32, port: UInt16) -> [Int32] {
            (3..<1024).compactMap { descriptor -> Int32? in
                guard hasPort(Int32(descriptor), port) else { return nil }
                var value: Int32 = -1
                var length = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(Int32(descriptor), Int32(IPPROTO_TCP), option, &value, &length)
                return value
            }
        }

        private func hasPort(_ descriptor: Int32, _ port: UInt16) -> Bool {
            [getsockname, getpeername].contains { name in
                var address = sockaddr_in()
                var length = socklen_t(MemoryLayout<sockaddr_in>.size)
                let result = withUnsafeMutablePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name(descriptor, $0, &length) }
                }
                return result == 0 && address.sin_port.bigEndian == port
            }
        }

        @Test func `are set on the listener, on what it accepts, and on what a loop connects`() throws {
            let loop = LibeventLoop(receiveBufferSize: 1024, keepalive: Self.some)
            let port = try freePort()
            let accepted = Box<[AcceptedSocket]>([])
            let listener = try Listener(loop: loop, address: .ipv4(0x7f00_0001, port: port), keepalive: Self.some) {
                if case .success(let socket) = $0 { accepted.value.append(socket) }
                loop.stop()
            }
            listener.resume()
            let client = try loop.connect(to: listener.address)
            loop.runUntilStopped()
            #expect(values(of: TCP_KEEPIDLE, port: port) == [7, 7, 7])
            #expect(values(of: TCP_KEEPINTVL, port: port) == [3, 3, 3])
            #expect(values(of: TCP_KEEPCNT, port: port) == [4, 4, 4])
            #expect(values(of: TCP_USER_TIMEOUT, port: port) == [1500, 1500, 1500])
            #expect(values(of: TCP_NODELAY, port: port) == [1, 1, 1])
            accepted.value.forEach { closeDescriptor($0.descriptor) }
            withExtendedLifetime((loop, listener, client)) {}
        }

        @Test func `make a connection wait for all probes, and for the system's where it says nothing`() {
            #expect(Self.some.patience == .seconds(7 + 3 * 4))
            #expect(Keepalive.system.patience == .seconds(7200 + 75 * 9))
        }
    }
}
