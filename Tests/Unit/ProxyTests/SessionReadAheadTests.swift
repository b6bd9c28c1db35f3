// Reading ahead: clients that have sent more than their server reads, and the memory for them.

import Simulation
import TestSupport
import Testing

@testable import CancelPolicy
@testable import PostgresProtocol
@testable import Proxy
@testable import Settings

/// A session whose server takes no more, with a client that continues to send.
private struct Stalled {
    let world: SimulatedSession
    let client: SimulatedSocket
    let server: SimulatedSocket

    init(_ configuration: Configuration = Configuration(), bytes: [UInt8], receiveBufferSize: Int = 4096) throws {
        world = try SimulatedSession(configuration, receiveBufferSize: receiveBufferSize)
        (client, server) = world.logIn()
        // A complete query, and a part of the next.
        server.room = Bytes.query.count + 10
        client.inbox += bytes
        world.loop.settle()
    }
}

@Suite struct `Reading ahead of a server that doesn't read` {
    private static let pipeline = Array((1...2000).map { _ in Bytes.query }.joined())

    @Test func `It begins after a while without progress; then the end after the bytes is seen`() throws {
        let stalled = try Stalled(bytes: Self.pipeline)
        stalled.world.loop.advance(by: .milliseconds(49))
        #expect(stalled.client.inbox.count == Self.pipeline.count - 4096, "one receive")
        stalled.world.loop.advance(by: .milliseconds(2))
        #expect(stalled.client.inbox.isEmpty && stalled.world.cancels.isEmpty)
        stalled.client.isEnded = true
        stalled.world.loop.settle()
        #expect(stalled.world.counters.drops[.fin].value == 1)
        try #require(stalled.world.cancels.count == 1, "what the server has not got does not follow its query")
        stalled.world.cancels[0].isEnded = true
        stalled.world.loop.settle()
        #expect(!stalled.server.isShutDown, "the query is answered without the rest")
        stalled.server.inbox += message("E") + Bytes.ready
        stalled.world.loop.settle()
        #expect(stalled.world.outcomes(.cancelled) == 1 && stalled.server.isClosed)
        #expect(stalled.server.outbox == Array(Self.pipeline.prefix(Bytes.query.count + 10)))
    }

    @Test(arguments: [1000, 100_000])
    func `When the server reads again it gets everything in order, and nothing is kept`(room: Int) throws {
        let stalled = try Stalled(bytes: Self.pipeline)
        stalled.world.loop.advance(by: .milliseconds(60))
        let worker = stalled.world.worker
        let all = Configuration().cancel.readAhead
        #expect(!worker.environment.readAheadQuota.hasRoom(for: all))
        for _ in 0..<100 where stalled.server.outbox.count < Self.pipeline.count {
            stalled.server.room = room
            stalled.world.loop.settle()
        }
        #expect(stalled.server.takeOutbox() == Self.pipeline)
        #expect(worker.environment.readAheadQuota.hasRoom(for: all))
    }

    @Test func `A server that takes something now and then is not read ahead of`() throws {
        let stalled = try Stalled(bytes: Self.pipeline)
        for _ in 0..<20 {
            stalled.world.loop.advance(by: .milliseconds(49))
            stalled.server.room = 10
            stalled.world.loop.settle()
        }
        #expect(stalled.client.inbox.count == Self.pipeline.count - 4096)
    }

    @Test(arguments: [0, 10_000])
    func `It ends at the limit, and goes on when others have given back`(bytes: Int) throws {
        var configuration = Configuration()
        configuration.cancel.readAhead = bytes
        // One message, so that the record does not grow.
        let message = message("Q", Array(repeating: UInt8(ascii: "x"), count: 60_000))
        let stalled = try Stalled(configuration, bytes: message)
        stalled.world.loop.advance(by: .seconds(1))
        let read = message.count - stalled.client.inbox.count
        #expect(read == 4096 * (1 + bytes / 4096))
        stalled.world.worker.environment.readAheadQuota.release(10_000)
        stalled.world.loop.advance(by: .seconds(1))
        #expect(message.count - stalled.client.inbox.count == read + 10_000 / 4096 * 4096)
        stalled.client.error = .init(104)
        stalled.world.worker.receive(.drain {})
        stalled.server.isEnded = true
        stalled.world.loop.settle()
        #expect(!stalled.world.worker.environment.readAheadQuota.hasRoom(for: bytes + 10_001))
        #expect(stalled.world.worker.environment.readAheadQuota.hasRoom(for: bytes + 10_000), "all is given back")
    }

    @Test func `A client that pipelines more than the record has room for is read on too, and its end seen`() throws {
        let world = try SimulatedSession(receiveBufferSize: 65_536)
        let (client, server) = world.logIn()
        client.inbox += (0..<3 * OutstandingRequests.fullCount).flatMap { _ in message("S") }
        world.loop.settle()
        #expect(!client.inbox.isEmpty)
        world.loop.advance(by: .milliseconds(60))
        #expect(
            client.inbox.isEmpty
                && !world.worker.environment.readAheadQuota.hasRoom(for: Configuration().cancel.readAhead))
        client.isEnded = true
        world.loop.settle()
        #expect(world.counters.drops[.fin].value == 1)
        world.loop.advance(by: CancelTiming.slow)
        #expect(world.cancels.count == 1)
        #expect(server.outbox.count == 3 * OutstandingRequests.fullCount * 5)
        server.isEnded = true
        world.loop.settle()
        #expect(
            world.worker.environment.readAheadQuota.hasRoom(for: Configuration().cancel.readAhead), "all is given back")
    }

    @Test func `One session may take all of the limit, and no more`() throws {
        var configuration = Configuration()
        configuration.cancel.readAhead = 40 << 20
        // Type and length of 80 MiB.
        let message: [UInt8] = [UInt8(ascii: "Q"), 5, 0, 0, 4] + Array(repeating: UInt8(ascii: "x"), count: 80 << 20)
        let stalled = try Stalled(configuration, bytes: message, receiveBufferSize: 1 << 20)
        stalled.world.loop.advance(by: .seconds(1))
        #expect(message.count - stalled.client.inbox.count == 41 << 20, "one receive before, which is not counted")
        stalled.client.error = .init(104)
        stalled.world.worker.receive(.drain {})
        #expect(stalled.world.worker.environment.readAheadQuota.hasRoom(for: 40 << 20), "all is given back")
    }

    @Test func `Not for a session that is left out: what its client sent is to run whatever becomes of it`() throws {
        var configuration = Configuration()
        configuration.cancel.exclusion.users = ["app"]
        let stalled = try Stalled(configuration, bytes: Self.pipeline)
        stalled.client.isEnded = true
        stalled.world.loop.advance(by: .seconds(1))
        #expect(stalled.client.inbox.count == Self.pipeline.count - 4096 && !stalled.client.isClosed)
        stalled.server.room = .max
        stalled.world.loop.settle()
        #expect(stalled.server.takeOutbox() == Self.pipeline)
        #expect(stalled.world.outcomes(.excluded) == 1)
    }
}
