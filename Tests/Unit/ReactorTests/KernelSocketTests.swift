// Receiving, sending and watching on a real connection.

import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `A socket` {
        @Test(arguments: Transport.allCases) func `receives what there is, then waits, then ends`(
            _ transport: Transport
        ) throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop, transport)
                let buffer = loop.receiveBuffer
                #expect(socket.receive(into: buffer) == .wouldBlock)
                peer.write([1, 2, 3, 4, 5])
                #expect(socket.receive(into: buffer, limit: 2) == .bytes(2))
                #expect(buffer.withReceived(2) { $0.copiedBytes } == [1, 2])
                #expect(socket.receive(into: buffer) == .bytes(3))
                #expect(buffer.withReceived(3) { $0.copiedBytes } == [3, 4, 5])
                #expect(socket.receive(into: buffer) == .wouldBlock)
                peer.finish()
                #expect(socket.receive(into: buffer) == .endOfStream)
                #expect(socket.takeError() == nil)
                // Only the peer's half has ended.
                #expect(socket.send([9]) == .bytes(1))
                #expect(peer.read(10) == [9])
                socket.shutdownSending()
                #expect(peer.read(10) == nil)
            }
        }

        @Test func `fails to receive after a reset`() throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop)
                peer.reset()
                #expect(socket.receive(into: loop.receiveBuffer) == .failed(SystemError(ECONNRESET)))
                #expect(socket.takeError() == nil, "the error is taken once")
            }
        }

        @Test(arguments: Transport.allCases) func `fails to send to a peer that is gone, without a signal`(
            _ transport: Transport
        ) throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop, transport)
                peer.close()
                // TCP learns from the answer to the first bytes that they were not accepted.
                if transport == .tcp { #expect(socket.send([1]) == .bytes(1)) }
                loop.run(for: .milliseconds(20))
                #expect(socket.send([1]) == .failed(SystemError(EPIPE)) || transport == .tcp)
                guard case .failed(let error) = socket.send([1]) else {
                    Issue.record("the bytes were taken")
                    return
                }
                #expect(error.code == EPIPE)
            }
        }

        @Test func `reports unread bytes again and again, and no more once they are read`() throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop)
                let owner = Recorder { socket, _ in _ = socket.receive(into: loop.receiveBuffer, limit: 1) }
                socket.owner = owner
                socket.interest = .read
                peer.write([1, 2, 3])
                let processorTime = loop.run(for: .milliseconds(100))
                #expect(owner.told == [.readable, .readable, .readable])
                #expect(processorTime < idleProcessorTime)
            }
        }

        @Test func `reports the events of its interest at the time`() throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop)
                let owner = Recorder { _, _ in loop.stop() }
                socket.owner = owner
                peer.write([1])
                let steps: [(Interest, Readiness)] = [
                    (.read, .readable), (.write, .writable), ([.read, .write], [.readable, .writable]),
                    ([.close, .write], .writable), ([.read, .close], .readable), (.read, .readable),
                ]
                for (interest, readiness) in steps {
                    socket.interest = interest
                    loop.runUntilStopped()
                    #expect(owner.told.last == readiness, "\(interest)")
                    let count = owner.told.count
                    socket.interest = []
                    let processorTime = loop.run(for: .milliseconds(30))
                    #expect(owner.told.count == count, "after \(interest)")
                    #expect(processorTime < idleProcessorTime)
                }
            }
        }

        @Test(arguments: Transport.allCases, [Interest.write, [.write, .close]])
        func `sends what it can and the rest when it is writable`(_ transport: Transport, _ interest: Interest) throws {
            let payload = (0..<6_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try withLoop { loop in
                let (near, far) = try makeDescriptors(transport)
                _ = fcntl(far, F_SETFL, O_NONBLOCK)
                let source = loop.adopt(AcceptedSocket(descriptor: near, peer: .unix(path: "")))
                let sink = loop.adopt(AcceptedSocket(descriptor: far, peer: .unix(path: "")))
                let (sent, shortSends, received) = (Box(0), Box(0), Box<[UInt8]>([]))
                let sender = Recorder { socket, readiness in
                    #expect(readiness == .writable)
                    // One send for each call, as in the relay.
                    guard case .bytes(let count) = socket.send(payload.span.extracting(sent.value..<payload.count))
                    else {
                        Issue.record("the send failed")
                        return
                    }
                    sent.value += count
                    if sent.value < payload.count { shortSends.value += 1 } else { socket.close() }
                }
                let receiver = Recorder { socket, _ in
                    switch socket.receive(into: loop.receiveBuffer) {
                    case .bytes(let count): received.value += loop.receiveBuffer.withReceived(count) { $0.copiedBytes }
                    case .wouldBlock: break
                    case .endOfStream, .failed: loop.stop()
                    }
                }
                source.owner = sender
                source.interest = interest
                loop.run(for: .milliseconds(30))
                sink.owner = receiver
                sink.interest = .read
                loop.runUntilStopped()
                #expect(shortSends.value > 0)
                #expect(received.value == payload)
            }
        }

        @Test func `offered nothing sends nothing`() throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop)
                #expect(socket.send([]) == .bytes(0))
                withExtendedLifetime(peer) {}
            }
        }
    }

    @Suite struct `The receive buffer of a loop` {
        @Test func `is not copied from one receive to the next`() {
            let buffer = ReceiveBuffer(size: 1_000)
            #expect(buffer.size == 1_000)
            var places: Set<UInt> = []
            for value in UInt8(1)...3 {
                buffer.fill { bytes in
                    unsafe bytes.withUnsafeMutableBufferPointer { storage in
                        _ = places.insert(UInt(bitPattern: storage.baseAddress))
                        unsafe storage[0] = value
                    }
                }
                #expect(buffer.withReceived(1) { $0.copiedBytes } == [value])
            }
            #expect(places.count == 1)
        }
    }
}

extension Span<UInt8> {
    /// The bytes as an array, for comparisons.
    var copiedBytes: [UInt8] { indices.map { self[$0] } }
}
