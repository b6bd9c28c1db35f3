// A client that is not read: its end is reported once, at no cost while nothing happens, and the reason is available.

import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `A socket that is watched for its end alone` {
        enum Ending: CaseIterable, Sendable { case finish, close, reset }

        struct Case: CustomTestStringConvertible, Sendable {
            let transport: Transport
            let ending: Ending
            let unread: Int
            /// The end is there before the watch for it begins.
            let endsBefore: Bool

            var testDescription: String {
                "\(transport) \(ending), \(unread) bytes unread, \(endsBefore ? "before" : "after") the watch begins"
            }
        }

        static let cases = Transport.allCases.flatMap { transport in
            Ending.allCases.filter { transport == .tcp || $0 != .reset }.flatMap { ending in
                [0, 1, 100_000].flatMap { unread in
                    [false, true].map { Case(transport: transport, ending: ending, unread: unread, endsBefore: $0) }
                }
            }
        }

        private func end(_ peer: Peer, _ ending: Ending) {
            switch ending {
            case .finish: peer.finish()
            case .close: peer.close()
            case .reset: peer.reset()
            }
        }

        @Test(arguments: cases) func `reports it once`(_ what: Case) throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop, what.transport)
                let owner = Recorder()
                socket.owner = owner
                if what.unread > 0 { peer.write([UInt8](repeating: 1, count: what.unread)) }
                if !what.endsBefore {
                    socket.interest = .close
                    #expect(loop.run(for: .milliseconds(50)) < idleProcessorTime)
                    #expect(owner.told.isEmpty, "unread bytes are no end")
                }
                end(peer, what.ending)
                if what.endsBefore {
                    loop.run(for: .milliseconds(10))
                    socket.interest = .close
                }
                let processorTime = loop.run(for: .milliseconds(100))
                #expect(owner.told == [.closed])
                #expect(processorTime < idleProcessorTime)
                #expect(socket.takeError() == (what.ending == .reset ? SystemError(ECONNRESET) : nil))
                // The unread bytes are not lost by an orderly end.
                guard what.ending != .reset else { return }
                var received = 0
                while case .bytes(let count) = socket.receive(into: loop.receiveBuffer) { received += count }
                #expect(received == what.unread)
                #expect(socket.receive(into: loop.receiveBuffer) == .endOfStream)
            }
        }

        /// The watch for the end is edge-triggered, and must not remain in the kernel.
        @Test(arguments: Transport.allCases) func `reports its unread bytes once it is read again`(
            _ transport: Transport
        ) throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop, transport)
                var received = 0
                let owner = Recorder { socket, _ in
                    guard case .bytes(let count) = socket.receive(into: loop.receiveBuffer, limit: 1) else { return }
                    received += count
                }
                socket.owner = owner
                socket.interest = .read
                loop.run(for: .milliseconds(10))
                socket.interest = .close
                loop.run(for: .milliseconds(10))
                peer.write([1, 2, 3, 4, 5])
                socket.interest = .read
                loop.run(for: .milliseconds(50))
                #expect(received == 5)
            }
        }

        @Test(arguments: Transport.allCases) func `reports a reset after an orderly end, and then rests`(
            _ transport: Transport
        ) throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop, transport)
                let owner = Recorder()
                socket.owner = owner
                socket.interest = .close
                peer.finish()
                loop.run(for: .milliseconds(50))
                #expect(owner.told == [.closed])
                peer.reset()
                #expect(loop.run(for: .milliseconds(100)) < idleProcessorTime)
                #expect((1...2).contains(owner.told.count))
                #expect(owner.told.allSatisfy { $0 == .closed })
            }
        }

        @Test(arguments: Transport.allCases) func `costs nothing while bytes trickle in, and reports none`(
            _ transport: Transport
        ) throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop, transport)
                let owner = Recorder()
                socket.owner = owner
                socket.interest = .close
                for _ in 0..<20 {
                    peer.write([1, 2, 3])
                    #expect(loop.run(for: .milliseconds(5)) < idleProcessorTime)
                }
                #expect(owner.told.isEmpty)
                socket.interest = .read
                loop.run(for: .milliseconds(1))
                #expect(owner.told.first == .readable)
                #expect(socket.receive(into: loop.receiveBuffer) == .bytes(60))
            }
        }

        @Test(arguments: Ending.allCases) func `reports it while it waits to write, too`(_ ending: Ending) throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop)
                let chunk = [UInt8](repeating: 0, count: 65_536)
                // Until the kernel takes no more; in this state the relay waits to write.
                var stalls = 0
                while stalls < 5 {
                    if case .bytes(let count) = socket.send(chunk), count > 0 { continue }
                    stalls += 1
                    usleep(2_000)
                }
                let owner = Recorder()
                socket.owner = owner
                socket.interest = [.write, .close]
                #expect(loop.run(for: .milliseconds(50)) < idleProcessorTime)
                #expect(owner.told.isEmpty)
                end(peer, ending)
                #expect(loop.run(for: .milliseconds(100)) < idleProcessorTime)
                #expect(owner.told.filter { $0.contains(.closed) }.count >= 1)
                #expect(owner.told.count <= 3)
                // A close with unread bytes is a reset, too.
                #expect(socket.takeError() == (ending == .finish ? nil : SystemError(ECONNRESET)))
            }
        }

        @Test func `reports it again when the watch begins anew`() throws {
            try withLoop { loop in
                let (socket, peer) = try makePair(on: loop)
                let owner = Recorder()
                socket.owner = owner
                peer.write([1])
                peer.finish()
                for round in 1...3 {
                    socket.interest = .close
                    loop.run(for: .milliseconds(30))
                    #expect(owner.told.count == round)
                    socket.interest = []
                    loop.run(for: .milliseconds(30))
                    #expect(owner.told.count == round)
                }
                #expect(owner.told == [.closed, .closed, .closed])
            }
        }
    }
}
