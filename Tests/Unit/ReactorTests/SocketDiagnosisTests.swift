// The kernel's reports about the clients' sockets of real connections.

import Glibc
import TestSupport
import Testing

@testable import Reactor

extension RealLoop {
    @Suite struct `The kernel` {
        /// The address that the client connects to; its socket has that address's family.
        static let addresses: [SocketAddress] = [
            .ipv4(0x7f00_0001, port: 0), .ipv6(high: 0, low: 1, port: 0, scope: 0),
            .ipv6(high: 0, low: 0xffff_7f00_0001, port: 0, scope: 0), .ipv4(0x7f00_0005, port: 0),
        ]

        /// A connection through a listener, the client's end outside of the loop.
        private func connect(_ address: SocketAddress, on loop: LibeventLoop) throws -> (any StreamSocket, Peer) {
            var accepted: AcceptedSocket?
            let listener = try Listener(loop: loop, address: address.isMapped ? Self.addresses[0] : address) {
                accepted = try? $0.get()
                loop.stop()
            }
            listener.resume()
            let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            let port = try #require(listener.address.port)
            let result = unsafe address.with(port: port).withSystemAddress { unsafe Glibc.connect(descriptor, $0, $1) }
            guard result == 0 else { throw SystemError.last }
            loop.runUntilStopped()
            return (loop.adopt(try #require(accepted)), Peer(descriptor))
        }

        /// Writes until the kernels have no space left.
        private func fill(_ peer: Peer) {
            _ = fcntl(peer.descriptor, F_SETFL, O_NONBLOCK)
            let bytes = [UInt8](repeating: 1, count: 1 << 20)
            for _ in 0..<5 {
                while peer.write(bytes) > 0 {}
                usleep(5_000)
            }
        }

        @Test(arguments: addresses) func `reports the end of a client that follows its bytes`(
            _ address: SocketAddress
        ) throws {
            try withLoop { loop in
                for ending in Ending.allCases {
                    let (socket, peer) = try connect(address, on: loop)
                    let owner = Recorder()
                    socket.owner = owner
                    socket.interest = .close
                    #expect(!socket.hasPeerEnded)
                    fill(peer)
                    #expect(!socket.hasPeerEnded, "it waits for room")
                    ending == .finish ? peer.finish() : peer.close()
                    loop.run(for: .milliseconds(20))
                    #expect(owner.told.isEmpty, "nothing else tells of it")
                    #expect(socket.hasPeerEnded)
                    socket.close()
                    #expect(!socket.hasPeerEnded, "nothing is known of a closed one")
                }
            }
        }

        enum Ending: CaseIterable { case finish, close }

        @Test func `is asked through one socket a loop, made when it is wanted first`() throws {
            let before = netlinkSockets()
            try withLoop { loop in
                let (socket, peer) = try connect(Self.addresses[0], on: loop)
                #expect(netlinkSockets() == before)
                #expect(!socket.hasPeerEnded)
                #expect(netlinkSockets() == before + 1)
                let clock = ContinuousClock()
                let time = clock.measure { for _ in 0..<1000 { _ = socket.hasPeerEnded } }
                print("a question about a client's socket: \(time / 1000)")
                #expect(netlinkSockets() == before + 1)
                #expect(time < .seconds(1))
                withExtendedLifetime(peer) {}
            }
            #expect(netlinkSockets() == before)
        }

        @Test func `says nothing of a Unix socket`() throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop, .unix)
                peer.close()
                #expect(!socket.hasPeerEnded)
            }
        }

        /// As for a client on another machine: its socket's addresses belong to no socket here.
        @Test func `says nothing of a connection that it doesn't know`() throws {
            try withLoop { loop in
                let diagnosis = SocketDiagnosis()
                let (socket, peer) = try connect(Self.addresses[0], on: loop)
                let address = try #require(socket.peerAddress)
                let own = SocketAddress.ipv4(0x7f00_0001, port: try #require(boundPort(socket)))
                #expect(diagnosis.report(of: address, connectedTo: own)?.hasEnded == false)
                // The kernel reports the listener at the client's address, where there is one.
                let listener = try Listener(loop: loop, address: Self.addresses[0]) { _ in }
                for other in [listener.address, .ipv4(0x0a00_0001, port: 1), own] {
                    #expect(diagnosis.report(of: other, connectedTo: own) == nil, "\(other)")
                }
                withExtendedLifetime(peer) {}
            }
        }

        private func boundPort(_ socket: any StreamSocket) -> UInt16? {
            unsafe SocketAddress { unsafe getsockname(socket.descriptor, $0, $1) }?.port
        }

        /// Netlink sockets for sock_diag; others may belong to other tests.
        private func netlinkSockets() -> Int {
            (Int32(3)..<1024).count { option(SO_DOMAIN, $0) == AF_NETLINK && option(SO_PROTOCOL, $0) == 4 }
        }

        private func option(_ name: Int32, _ descriptor: Int32) -> Int32 {
            var value: Int32 = -1
            var length = socklen_t(MemoryLayout<Int32>.size)
            unsafe getsockopt(descriptor, SOL_SOCKET, name, &value, &length)
            return value
        }
    }
}

extension SocketAddress {
    fileprivate var isMapped: Bool { if case .ipv6(0, let low, _, _) = self { low >> 32 == 0xffff } else { false } }

    fileprivate func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let high, let low, _, let scope): .ipv6(high: high, low: low, port: port, scope: scope)
        case .unix: self
        }
    }
}
