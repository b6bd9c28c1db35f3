// The end of a TLS connection: with and without a close_notify, by one side and by both, in the owner's callback, and
// the state after it.

import Glibc
import Reactor
import TLS
import TestSupport
import Testing

extension OverTLS {
    @Suite struct `The end of a TLS connection` {
        /// A client on the loop. The test holds the descriptor of its server, too, to end the connection without a
        /// close_notify.
        private func makeCutPair(_ loop: LibeventLoop) throws -> (pair: TLSPair, far: Peer) {
            let pair = try TLSPair.agreed(on: loop, .tcp)
            return (pair, Peer(dup(pair.server.descriptor)))
        }

        @Test func `is reported after all bytes before it, for a close and for half a close`() throws {
            try withLoop { loop in
                for endsHalf in [true, false] {
                    let pair = try TLSPair.agreed(on: loop)
                    let left = Talker(pair.client, on: loop, limit: 100)
                    #expect(pair.server.send(pattern(50_000)) == .bytes(50_000))
                    endsHalf ? pair.server.shutdownSending() : pair.server.close()
                    #expect(loop.run(left) { left.end != nil })
                    #expect(left.end == .endOfStream)
                    #expect(isSame(left.received, pattern(50_000)))
                    // For any number of calls.
                    #expect(pair.client.receive(into: loop.receiveBuffer) == .endOfStream)
                }
            }
        }

        /// A connection without bytes in OpenSSL's buffers.
        @Test func `is known to the kernel while nothing of it is received`() throws {
            try withLoop { loop in
                let (pair, far) = try makeCutPair(loop)
                #expect(!pair.client.hasPeerEnded)
                #expect(pair.server.send(pattern(1000)) == .bytes(1000))
                #expect(!pair.client.hasPeerEnded)
                far.finish()
                #expect(pair.client.hasPeerEnded)
            }
        }

        @Test func `of one half leaves the other`() throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                let (left, right) = (Talker(pair.client, on: loop), Talker(pair.server, on: loop))
                pair.client.shutdownSending()
                #expect(loop.run(right) { right.end != nil })
                right.send(pattern(1_000_000))
                // A second call changes nothing.
                pair.client.shutdownSending()
                #expect(loop.run(left, right) { left.received.count == 1_000_000 })
                pair.server.shutdownSending()
                #expect(loop.run(left) { left.end != nil })
                #expect(left.end == .endOfStream)
                #expect(isSame(left.received, pattern(1_000_000)))
            }
        }

        @Test func `without close_notify is an end all the same`() throws {
            try withLoop { loop in
                let (pair, far) = try makeCutPair(loop)
                let left = Talker(pair.client, on: loop)
                #expect(pair.server.send(pattern(1000)) == .bytes(1000))
                far.finish()
                #expect(loop.run(left) { left.end != nil })
                #expect(left.end == .endOfStream)
                #expect(isSame(left.received, pattern(1000)))
            }
        }

        @Test(arguments: [0, 1000]) func `by a reset is one`(_ unread: Int) throws {
            try withLoop { loop in
                let (pair, far) = try makeCutPair(loop)
                #expect(pair.server.send(pattern(unread)) == .bytes(unread))
                if unread > 0 {
                    // OpenSSL has the bytes now, and the test has read one of them.
                    let early = Talker(pair.client, on: loop, limit: 1)
                    #expect(loop.run(early) { early.received.count == 1 })
                    early.socket.interest = []
                }
                // Only the last descriptor's close resets.
                var option = linger(l_onoff: 1, l_linger: 0)
                unsafe setsockopt(far.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
                far.close()
                (pair.server as any StreamSocket).interest = []
                closeSilently(pair.server)
                let left = Talker(pair.client, on: loop)
                #expect(loop.run(left) { left.end != nil })
                #expect(left.end == .failed(SystemError(ECONNRESET)))
                #expect(left.received.count == max(0, unread - 1))
            }
        }

        @Test func `by garbage is an error, reported after the valid bytes, each time`() throws {
            try withLoop { loop in
                let (pair, far) = try makeCutPair(loop)
                let left = Talker(pair.client, on: loop)
                #expect(pair.server.send(pattern(1000)) == .bytes(1000))
                #expect(far.write([UInt8](repeating: 0x17, count: 100)) == 100)
                #expect(loop.run(left) { left.end != nil })
                #expect(isSame(left.received, pattern(1000)))
                #expect(left.end == .failed(.protocolError))
                #expect(pair.client.receive(into: loop.receiveBuffer) == .failed(.protocolError))
            }
        }

        @Test func `leaves no error to other connections of the thread`() throws {
            try withLoop { loop in
                let healthy = try TLSPair.agreed(on: loop)
                for _ in 0..<3 {
                    let (pair, far) = try makeCutPair(loop)
                    #expect(far.write([UInt8](repeating: 0, count: 100)) == 100)
                    loop.run(for: .milliseconds(10))
                    _ = pair.client.receive(into: loop.receiveBuffer)
                    #expect(healthy.client.receive(into: loop.receiveBuffer) == .wouldBlock)
                    let finished = try TLSPair.agreed(on: loop)
                    finished.client.shutdownSending()
                    #expect(finished.client.send([1]) == .failed(.protocolError))
                    #expect(healthy.client.receive(into: loop.receiveBuffer) == .wouldBlock)
                    pair.client.close()
                    #expect(healthy.client.receive(into: loop.receiveBuffer) == .wouldBlock)
                    far.reset()
                    pair.server.shutdownSending()
                    #expect(healthy.server.receive(into: loop.receiveBuffer) == .wouldBlock)
                    #expect(healthy.client.send([1]) == .bytes(1))
                    #expect(healthy.server.receive(into: loop.receiveBuffer) == .bytes(1))
                }
            }
        }

        @Test func `may come in the owner's own callback, twice, and causes no further event`() throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                let owner = Recorder { socket, _ in
                    // More bytes are there than are taken, so there is an event to report.
                    #expect(socket.receive(into: loop.receiveBuffer, limit: 1) == .bytes(1))
                    socket.close()
                    socket.close()
                    socket.interest = [.read, .write]
                }
                pair.client.owner = owner
                pair.client.interest = .read
                #expect(pair.server.send(pattern(1000)) == .bytes(1000))
                loop.run(for: .milliseconds(50))
                #expect(owner.told == [.readable])
            }
        }

        @Test func `may come with the last reference, within a callback of either kind`() throws {
            try withLoop { loop in
                for limit in [1, 10] {
                    let pair = Box<TLSPair?>(try TLSPair.agreed(on: loop))
                    let server = try #require(pair.value?.server)
                    var owner: Recorder?
                    var rest = 3
                    owner = Recorder { socket, _ in
                        _ = socket.receive(into: loop.receiveBuffer, limit: limit)
                        rest -= limit
                        guard rest <= 0 else { return }
                        pair.value = nil
                        owner = nil
                    }
                    pair.value?.client.owner = owner
                    pair.value?.client.interest = .read
                    #expect(server.send(pattern(1000)) == .bytes(1000))
                    loop.run(for: .milliseconds(50))
                    #expect(owner == nil)
                    guard case .endOfStream = drain(server, loop) else {
                        Issue.record("the descriptor is open")
                        continue
                    }
                }
            }
        }

        /// The number can belong to another connection now.
        @Test func `leaves its descriptor alone`() throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                let (near, far) = try makeDescriptors(.unix)
                let (spare, peer) = (Peer(near), Peer(far))
                let number = pair.client.descriptor
                pair.client.close()
                let other = Peer(fcntl(spare.descriptor, F_DUPFD_CLOEXEC, number))
                spare.close()
                // Other tests make descriptors meanwhile, and may have reused the number.
                guard other.descriptor == number else { return }
                #expect(peer.write([1, 2, 3]) == 3)
                #expect(pair.client.send([9]) == .failed(SystemError(EBADF)))
                #expect(pair.client.receive(into: loop.receiveBuffer) == .failed(SystemError(EBADF)))
                pair.client.shutdownSending()
                #expect(other.read(10) == [1, 2, 3])
                #expect(other.write([4]) == 1)
                #expect(peer.read(10) == [4])
            }
        }
    }
}

/// Closes the descriptor under a socket, so that no more is sent on it.
private func closeSilently(_ socket: TLSSocket) {
    let nothing = unsafe Peer(open("/dev/null", O_RDWR | O_CLOEXEC))
    dup2(nothing.descriptor, socket.descriptor)
}

/// Receives until no more bytes arrive.
private func drain(_ socket: TLSSocket, _ loop: LibeventLoop) -> Received {
    while true {
        let received = socket.receive(into: loop.receiveBuffer)
        if case .bytes = received { continue }
        return received
    }
}
