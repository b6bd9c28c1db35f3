// Sockets and owners that are released during a callback, and descriptors whose numbers are reused.

import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `The life of a socket` {
        @Test func `may end in its own callback, twice over`() throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop)
                let owner = Recorder { socket, _ in
                    socket.close()
                    socket.close()
                    socket.interest = .write
                }
                socket.owner = owner
                socket.interest = [.read, .write]
                peer.write([1])
                loop.run(for: .milliseconds(50))
                #expect(owner.told.count == 1)
                #expect(socket.send([1]) == .failed(SystemError(EBADF)))
                #expect(socket.receive(into: loop.receiveBuffer) == .failed(SystemError(EBADF)))
                // The peer, which has unread bytes of its own, notices it.
                #expect(peer.read(1) == nil)
            }
        }

        @Test func `ends with its last reference, which closes the descriptor`() throws {
            try withLoop { loop in
                var (socket, peer): ((any StreamSocket)?, Peer) = try makePair(on: loop)
                socket?.interest = .read
                socket = nil
                #expect(peer.read(1) == nil)
                loop.run(for: .milliseconds(10))
            }
        }

        @Test func `may end in another's callback of the same wake-up`() throws {
            try withLoop { loop in
                let pairs = try (0..<8).map { _ in try makePair(on: loop) }
                let owner = Recorder { told, _ in
                    for (socket, _) in pairs { socket.close() }
                    #expect(told.peerAddress == nil)
                }
                for (socket, peer) in pairs {
                    socket.owner = owner
                    socket.interest = .read
                    peer.write([1])
                }
                loop.run(for: .milliseconds(50))
                #expect(owner.told.count == 1, "the seven others were ready as well")
            }
        }

        @Test func `leaves no event to a new socket of the same number`() throws {
            // A number above all that this process uses, so that no other test uses it.
            let number: Int32 = 900
            func move(_ descriptor: Int32) -> Int32 {
                defer { close(descriptor) }
                return fcntl(descriptor, F_DUPFD_CLOEXEC, number)
            }
            try withLoop { loop in
                for interest in [Interest.read, .close, [.write, .close]] {
                    let (first, firstPeer) = try makePair(on: loop)
                    let (near, far) = try makeDescriptors(.tcp)
                    let secondPeer = Peer(far)
                    let secondNumber = move(near)
                    let second = loop.adopt(AcceptedSocket(descriptor: secondNumber, peer: .unix(path: "")))
                    let (freshNear, freshFar) = try makeDescriptors(.tcp)
                    let freshPeer = Peer(freshFar)

                    let fresh = Box<(any StreamSocket)?>(nil)
                    let (stale, freshOwner) = (Recorder(), Recorder())
                    let closer = Recorder { socket, _ in
                        socket.close()
                        second.close()
                        let freshNumber = move(freshNear)
                        #expect(freshNumber == secondNumber)
                        fresh.value = loop.adopt(AcceptedSocket(descriptor: freshNumber, peer: .unix(path: "")))
                        fresh.value?.owner = freshOwner
                        fresh.value?.interest = .read
                    }
                    first.owner = closer
                    first.interest = interest
                    second.owner = stale
                    second.interest = .close
                    // Both events are in one wake-up, and the kernel determines their order: the event of the first
                    // socket came first.
                    firstPeer.finish()
                    usleep(2_000)
                    secondPeer.finish()
                    loop.run(for: .milliseconds(50))
                    #expect(stale.told.isEmpty)
                    #expect(freshOwner.told.isEmpty)
                    // The new socket is watched for its own events.
                    freshPeer.write([1])
                    loop.run(for: .milliseconds(20))
                    #expect(freshOwner.told.first == .readable)
                }
            }
        }

        /// An owner that holds its socket and releases itself at an event.
        private final class Passing: SocketOwner {
            let socket: any StreamSocket
            let release: () -> Void
            let lived: Box<Bool>

            init(_ socket: any StreamSocket, lived: Box<Bool>, release: @escaping () -> Void) {
                self.socket = socket
                self.release = release
                self.lived = lived
                socket.owner = self
                socket.interest = .read
            }

            func socket(_ socket: any StreamSocket, became readiness: Readiness) {
                self.socket.close()
                release()
                // It exists after the last other reference is released.
                lived.value = self.socket.peerAddress == nil
            }
        }

        @Test func `may release its owner during an event`() throws {
            try withLoop { loop in
                let (holder, lived) = (Box<Passing?>(nil), Box(false))
                weak var watched: Passing?
                let peer: Peer
                do {
                    let (socket, far) = try makePair(on: loop)
                    peer = far
                    holder.value = Passing(socket, lived: lived) { holder.value = nil }
                    watched = holder.value
                }
                #expect(watched != nil)
                peer.write([1])
                loop.run(for: .milliseconds(30))
                #expect(lived.value)
                #expect(watched == nil)
                #expect(holder.value == nil)
            }
        }

        @Test func `without an owner is quiet`() throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop)
                #expect(socket.owner == nil)
                socket.interest = .close
                peer.close()
                loop.run(for: .milliseconds(20))
                #expect(socket.takeError() == nil)
            }
        }

        @Test func `leaves no descriptor behind, two thousand times`() throws {
            try withLoop { loop in
                let before = try openDescriptors()
                for round in 0..<1_000 {
                    let (socket, peer) = try makePair(on: loop, round.isMultiple(of: 2) ? .tcp : .unix)
                    let owner = Recorder()
                    socket.owner = owner
                    socket.interest = round.isMultiple(of: 3) ? .close : [.read, .write]
                    if round.isMultiple(of: 4) { peer.reset() }
                    if round.isMultiple(of: 50) { loop.run(for: .milliseconds(1)) }
                    // Half of them are closed, the others released.
                    if round % 4 < 2 { socket.close() }
                }
                for _ in 0..<500 {
                    _ = try loop.makeWakeup {}
                    _ = loop.schedule(after: .seconds(1)) {}
                    try loop.makeTicker {}.start(every: .seconds(1))
                    let address = SocketAddress.ipv4(0x7f00_0001, port: 0)
                    _ = try Listener(loop: loop, address: address) { _ in }
                }
                // Other suites of this process open descriptors meanwhile.
                #expect(try openDescriptors() - before < 200)
            }
        }
    }
}
