// The first packets of a client, valid and invalid, and the failures to reach a server.

import PostgresProtocol
import Reactor
import Simulation
import TestSupport
import Testing

@testable import Settings
@testable import Upstream

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite struct `The start of a session` {
    @Test(arguments: [true, false])
    func `SSLRequest and GSSENCRequest are each refused once, in either order`(sslFirst: Bool) throws {
        let world = try SimulatedSession()
        let client = world.accept()
        client.inbox +=
            sslFirst
            ? Frontend.sslRequest + Frontend.gssEncryptionRequest : Frontend.gssEncryptionRequest + Frontend.sslRequest
        client.inbox += Bytes.startup
        world.loop.settle()
        #expect(client.takeOutbox() == Array("NN".utf8))
        #expect(world.loop.connections.count == 1)
    }

    @Test func `A second SSLRequest is one too many`() throws {
        let world = try SimulatedSession()
        let client = world.accept()
        client.inbox += Frontend.sslRequest + Frontend.sslRequest
        world.loop.settle()
        #expect(text(client.takeOutbox()).contains("unsupported frontend protocol 1234.5679"))
        #expect(world.counters.protocolErrors[.client].value == 1)
    }

    @Test(arguments: 1...20)
    func `Bytes after the startup packet wait for the server`(cut: Int) throws {
        let world = try SimulatedSession()
        let client = world.accept()
        let all = Bytes.startup + Bytes.query
        client.inbox += all[..<cut]
        world.loop.settle()
        client.inbox += all[cut...]
        world.loop.settle()
        #expect(world.loop.connections[0].takeOutbox() == all)
    }

    @Test(
        arguments: [
            ([0, 0, 0, 7], "08P01"), ([0, 0, 0x27, 0x15], "08P01"), (Array("GET / HTTP/1.1\r\n\r\n".utf8), "08P01"),
            ([0, 0, 0, 8, 0, 2, 0, 0], "0A000"), ([0, 0, 0, 9, 0, 3, 0, 0, 0], "28000"),
            ([0, 0, 0, 9, 0, 3, 0, 0, 1], "08P01"), ([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2e], "08P01"),
        ] as [([UInt8], String)]
    )
    func `A packet that makes no sense is answered, closed and counted`(packet: [UInt8], sqlState: String) throws {
        let world = try SimulatedSession()
        let client = world.accept()
        client.inbox += packet
        world.loop.settle()
        #expect(text(client.takeOutbox()).contains("C\(sqlState)"))
        client.isEnded = true
        world.loop.settle()
        #expect(client.isClosed && world.loop.connections.isEmpty)
        #expect(world.ended(.protocolError) == 1 && world.counters.protocolErrors[.client].value == 1)
    }

    @Test(arguments: [true, false])
    func `A message length below 4 ends the session, and cancels what runs`(isBusy: Bool) throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        if isBusy { client.inbox += Bytes.query }
        world.loop.settle()
        client.inbox += [UInt8(ascii: "Q"), 0, 0, 0, 3]
        world.loop.settle()
        #expect(text(client.takeOutbox()).contains("C08P01"))
        #expect(server.isClosed != isBusy && world.cancels.count == (isBusy ? 1 : 0))
    }

    @Test func `A bad length from the server ends the session`() throws {
        let world = try SimulatedSession()
        let (client, server) = world.logIn()
        server.inbox += [UInt8(ascii: "Z"), 0xff, 0xff, 0xff, 0xff]
        world.loop.settle()
        client.isEnded = true
        world.loop.settle()
        #expect(server.isClosed && world.ended(.protocolError) == 1)
        #expect(world.counters.protocolErrors[.server].value == 1)
    }

    @Test(arguments: [0, 6])
    func `A client that says nothing is closed after authentication_timeout, one that says half of it too`(bytes: Int)
        throws
    {
        let world = try SimulatedSession()
        let client = world.accept()
        client.inbox += Bytes.startup.prefix(bytes)
        world.loop.settle()
        world.loop.advance(by: .seconds(59))
        #expect(!client.isClosed)
        world.loop.advance(by: .seconds(2))
        #expect(client.isClosed && world.ended(.authenticationTimeout) == 1)
    }

    @Test func `The server refuses or doesn't answer: the client's error has the address and the reason`() throws {
        for network in [SimulatedLoop.Network.refuses, .hangs] {
            let world = try SimulatedSession()
            world.loop.network = network
            let client = world.accept()
            client.inbox += Bytes.startup
            world.loop.settle()
            world.loop.advance(by: .seconds(11))
            let answer = text(client.takeOutbox())
            #expect(answer.contains("C57P03") && answer.contains("127.0.0.1:5432"))
            #expect(world.counters.connectFailures.value == 1)
        }
    }

    @Test func `A server that has become pgleash itself is not connected to, by sessions and by cancels`() throws {
        let world = try SimulatedSession(listeners: [.ipv4(0, port: 5432)])
        let client = world.accept()
        client.inbox += Bytes.startup
        let cancel = world.accept()
        cancel.inbox += Bytes.cancelRequest
        world.loop.settle()
        let reason = "could not connect to server at 127.0.0.1:5432: pgleash itself listens there"
        let answer = text(client.takeOutbox())
        #expect(answer.contains("C57P03") && answer.contains(reason))
        #expect(world.loop.connections.isEmpty && cancel.isClosed && world.ended(.serverUnreachable) == 1)
        #expect(world.counters.connectFailures.value == 1)
    }

    @Test func `Of several addresses the one that is pgleash's own is passed over`() throws {
        let servers = [SimulatedSession.server, .ipv4(0x7f00_0002, port: 5432)]
        let upstream = Upstream.addresses(servers.map { HostAddress($0, foundBy: "") })
        let world = try SimulatedSession(upstream: upstream, listeners: [SimulatedSession.server])
        _ = world.logIn()
        #expect(world.loop.connections.map(\.peerAddress) == [servers[1]])
    }

    @Test func `A client that connects during a shutdown gets an error for its next host`() throws {
        let world = try SimulatedSession()
        world.loop.network = .hangs
        let (silent, connecting) = (world.accept(), world.accept())
        connecting.inbox += Bytes.startup
        world.loop.settle()
        world.worker.receive(.drain {})
        world.loop.settle()
        for client in [silent, connecting] {
            let answer = text(client.takeOutbox())
            #expect(answer.contains("C57P03") && answer.contains("pgleash is shutting down"))
        }
    }

    @Test func `Above max_sessions a client gets an error; a CancelRequest still goes through`() throws {
        var configuration = Configuration()
        configuration.listen.maxSessions = 1
        let world = try SimulatedSession(configuration)
        let (first, _) = world.logIn()
        let second = world.accept()
        second.inbox += Bytes.startup
        world.loop.settle()
        #expect(text(second.takeOutbox()).contains("sorry, too many clients already"))
        let cancel = world.accept()
        cancel.inbox += Bytes.cancelRequest
        world.loop.settle()
        #expect(world.cancels[0].takeOutbox() == Bytes.cancelRequest)
        #expect(!cancel.isClosed, "it waits for the server to close")
        world.cancels[0].isEnded = true
        world.loop.settle()
        #expect(cancel.isClosed && world.ended(.cancelRelayed) == 1)
        first.isEnded = true
        world.loop.settle()
        _ = world.logIn()
        #expect(world.loop.connections.count == 3, "the place is free again")
    }

    @Test func `A client's cancel is delivered though the client doesn't wait for it`() throws {
        let world = try SimulatedSession()
        world.loop.network = .hangs
        let client = world.accept()
        client.inbox += Bytes.cancelRequest
        world.loop.settle()
        client.isEnded = true
        world.loop.settle()
        #expect(client.isClosed && world.isOverAndBalanced, "nobody waits for it")
        world.loop.connections[0].isAnswered = true
        world.loop.settle()
        #expect(world.loop.connections[0].takeOutbox() == Bytes.cancelRequest)
    }
}
