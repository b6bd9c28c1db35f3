// Bytes through TLS in both directions, in all sizes, with receivers and kernels that take little at a time.

import Glibc
import Reactor
import TestSupport
import Testing

@testable import TLS

extension OverTLS {
    @Suite struct `Bytes through TLS` {
        @Test(arguments: Transport.allCases, TLSVersion.allCases.suffix(2))
        func `arrive both ways at once, many megabytes of them`(_ transport: Transport, _ version: TLSVersion) throws {
            try withLoop { loop in
                let client = try makeClient { $0.maximumVersion = version }
                let pair = try TLSPair.agreed(on: loop, transport, client: client)
                let (left, right) = (Talker(pair.client, on: loop), Talker(pair.server, on: loop))
                let bytes = pattern(3_000_000)
                left.send(bytes)
                right.send(bytes.reversed())
                #expect(left.isStalled && right.isStalled, "it takes more than the kernel does at once")
                #expect(loop.run(left, right) { left.received.count + right.received.count == 2 * bytes.count })
                #expect(isSame(right.received, bytes))
                #expect(isSame(left.received, bytes.reversed()))
            }
        }

        @Test(arguments: [(1, 40_000), (7, 200_000), (16_383, 1_000_000), (16_385, 1_000_000)])
        func `arrive when a receive takes less than a record or a little more`(_ limit: Int, _ count: Int) throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                let (left, right) = (Talker(pair.client, on: loop), Talker(pair.server, on: loop, limit: limit))
                let bytes = pattern(count)
                left.send(bytes)
                #expect(loop.run(left, right) { right.received.count == count })
                #expect(isSame(right.received, bytes))
            }
        }

        @Test func `in many small records are received some at a time, and the rest is reported`() throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                for byte in pattern(150) { #expect(pair.client.send([byte]) == .bytes(1)) }
                let right = Talker(pair.server, on: loop)
                var sizes: [Int] = []
                #expect(
                    loop.run(right) {
                        sizes.append(right.received.count)
                        return right.received.count == 150
                    }
                )
                #expect(sizes.contains(TLSSocket.mostRecords) && isSame(right.received, pattern(150)))
            }
        }

        @Test func `arrive when the receive buffer is smaller than a record`() throws {
            let loop = LibeventLoop(receiveBufferSize: 1000)
            defer { withExtendedLifetime(loop) {} }
            let pair = try TLSPair.agreed(on: loop)
            let (left, right) = (Talker(pair.client, on: loop), Talker(pair.server, on: loop))
            left.send(pattern(1_000_000))
            #expect(loop.run(left, right) { right.received.count == 1_000_000 })
            #expect(isSame(right.received, pattern(1_000_000)))
        }

        @Test func `that come with the end of the handshake are reported`() throws {
            try withLoop { loop in
                let (near, far) = try makeEnds(on: loop)
                let (client, server) = (
                    try makeClient().connect(over: near, host: "localhost", loop: loop),
                    try makeServer().accept(over: far, loop: loop)
                )
                // The steps are taken by hand, so that the server receives Finished and the next records together.
                let owner = Recorder()
                let peer = Recorder { [unowned client] _, _ in client.interest = [] }
                client.owner = peer
                client.handshake { error in
                    #expect(error == nil)
                    #expect(client.send([1, 2, 3]) == .bytes(3))
                }
                server.handshake { error in
                    #expect(error == nil)
                    server.owner = owner
                    server.interest = .read
                }
                loop.run(for: .milliseconds(200))
                #expect(owner.told.first == .readable)
                #expect(server.receive(into: loop.receiveBuffer) == .bytes(3))
            }
        }

        @Test func `that OpenSSL holds are reported when the owner reads again, at no cost before`() throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                let (left, right) = (Talker(pair.client, on: loop), Talker(pair.server, on: loop, limit: 10))
                left.send(pattern(100))
                // Ten bytes, and no interest in more: the kernel has none left, OpenSSL has ninety.
                for interest: Interest in [[], .close, []] {
                    let before = right.received.count
                    #expect(loop.run(right) { right.received.count > before })
                    right.socket.interest = interest
                    let told = right.told
                    #expect(loop.run(for: .milliseconds(100)) < idleProcessorTime)
                    #expect(right.told == told)
                    right.socket.interest = .read
                }
                #expect(loop.run(right) { right.received.count == 100 })
                #expect(isSame(right.received, pattern(100)))
                // After this no events follow.
                loop.run(for: .milliseconds(10))
                let told = right.told
                #expect(loop.run(for: .milliseconds(100)) < idleProcessorTime)
                #expect(right.told == told)
            }
        }

        @Test func `that OpenSSL holds wait until other sockets had their turn`() throws {
            try withLoop { loop in
                let (first, second) = (try TLSPair.agreed(on: loop), try TLSPair.agreed(on: loop))
                let (busy, other) = (
                    Talker(first.server, on: loop, limit: 1), Talker(second.server, on: loop, limit: 1)
                )
                #expect(first.client.send(pattern(2000)) == .bytes(2000))
                #expect(second.client.send(pattern(2000)) == .bytes(2000))
                #expect(loop.run(busy, other) { busy.received.count == 1000 || other.received.count == 1000 })
                #expect(abs(busy.received.count - other.received.count) < 10)
            }
        }

        @Test func `of a short send are sent when they are offered again, alone or followed by more`() throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                var sent: [UInt8] = []
                let bytes = pattern(6_000_000)
                var generator = SystemRandomNumberGenerator()
                let right = Talker(pair.server, on: loop, interest: [])
                var offered = 0
                for _ in 0..<5 {
                    // Until no more is sent: a record is encrypted, and a part of it is in the kernel.
                    while true {
                        offered = max(offered, 1 + Int(generator.next() % 30_000))
                        guard case .bytes(let count) = pair.client.send(bytes[sent.count...].prefix(offered).all)
                        else {
                            Issue.record("the connection is broken")
                            return
                        }
                        sent += bytes[sent.count..<sent.count + count]
                        offered -= count
                        if count == 0 { break }
                    }
                    #expect(pair.client.send(bytes[sent.count...].prefix(offered).all) == .bytes(0))
                    #expect(pair.client.send(bytes[sent.count...].prefix(offered + 1).all) == .bytes(0))
                    right.socket.interest = .read
                    // The part in the kernel; an incomplete record cannot be read.
                    loop.run(for: .milliseconds(50))
                    right.socket.interest = []
                    #expect(sent.count - right.received.count < 16_384)
                }
                #expect(isSame(right.received, Array(sent.prefix(right.received.count))))
                #expect(right.end == nil)
            }
        }

        @Test(.timeLimit(.minutes(1))) func `pass on several threads, by contexts that they share`() async throws {
            let (client, server) = (try makeClient(), try makeServer())
            await withTaskGroup(of: String?.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        do {
                            for _ in 0..<10 { try talk(client, server) }
                            return nil
                        } catch { return "\(error)" }
                    }
                }
                for await failure in group { #expect(failure == nil) }
            }
        }
    }
}

/// One short conversation on its own loop.
private func talk(_ client: TLSClient, _ server: TLSServer) throws {
    try withLoop { loop in
        let pair = try TLSPair.agreed(on: loop, client: client, server: server)
        let (left, right) = (Talker(pair.client, on: loop), Talker(pair.server, on: loop))
        left.send(pattern(30_000))
        guard loop.run(left, right, until: { right.received.count == 30_000 }) else {
            throw Failure(description: "\(right.received.count) bytes")
        }
    }
}

extension ArraySlice<UInt8> {
    fileprivate var all: [UInt8] { Array(self) }
}
