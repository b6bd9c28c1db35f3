// A connection for which TLS is required or optional: the result of each answer to the SSLRequest, address by address.
// TLS itself is tested in TLSTests.

import Reactor
import Simulation
import TestSupport
import Testing

@testable import Settings
@testable import Upstream

private let addresses = [1, 2].map { HostAddress(SocketAddress.ipv4(0x7f00_0001, port: $0), foundBy: "localhost") }

/// A connector and its result.
private final class Attempt {
    let loop = SimulatedLoop()
    private(set) var result: Result<any StreamSocket, ConnectError>?
    private var connector: ServerConnector?

    init(_ mode: SSLMode, _ protection: Protection = .asConfigured, connectsAtOnce: Bool = false) throws {
        loop.connectsAtOnce = connectsAtOnce
        var settings = Configuration.ServerTLS()
        settings.mode = mode
        connector = ServerConnector(
            loop: loop, addresses: addresses, security: try ServerSecurity(settings), protection: protection,
            timeout: .seconds(1)
        ) { [unowned self] in
            #expect(result == nil)
            result = $0
            // As the owner of the connection does.
            if case .success(let socket) = $0 { (socket.owner, socket.interest) = (nil, []) }
        }
    }

    func start() {
        connector?.start()
        loop.settle()
    }

    /// Bytes that the server at the other end of the newest connection sends.
    func answer(_ bytes: String, ends: Bool = false) {
        let socket = loop.connections[loop.connections.count - 1]
        #expect(socket.takeOutbox() == Frontend.sslRequest)
        socket.inbox += Array(bytes.utf8)
        socket.isEnded = ends
        loop.settle()
    }

    var isPlain: Bool { if case .success(let socket) = result { socket.encryptedPeerName == nil } else { false } }
    var failure: ConnectError? { if case .failure(let error) = result { error } else { nil } }
}

@Suite struct `A connector that encrypts` {
    @Test func `takes a plain connection under prefer when the server has no TLS`() throws {
        let attempt = try Attempt(.prefer)
        attempt.start()
        attempt.answer("N")
        #expect(attempt.isPlain && attempt.loop.connections.count == 1)
    }

    @Test(arguments: ["E", "x", "\u{0}", "H"])
    func `asks the same address again without TLS under prefer when the answer is none`(_ text: String) throws {
        let attempt = try Attempt(.prefer)
        attempt.start()
        attempt.answer(text)
        #expect(attempt.isPlain && attempt.loop.connections.map(\.isClosed) == [true, false])
        #expect(attempt.loop.connections.map(\.peerAddress) == [addresses[0].address, addresses[0].address])
        #expect(attempt.loop.connections[1].takeOutbox() == [])
    }

    @Test func `does so when the server leaves, but not when it is silent`() throws {
        let left = try Attempt(.prefer)
        left.start()
        left.answer("", ends: true)
        #expect(left.isPlain)
        let silent = try Attempt(.prefer)
        silent.start()
        silent.loop.advance(by: .milliseconds(999))
        #expect(silent.loop.connections.count == 1)
        silent.loop.advance(by: .milliseconds(2))
        #expect(silent.loop.connections.map(\.peerAddress) == addresses.map(\.address))
        silent.loop.advance(by: .seconds(1))
        #expect(silent.failure?.isInsecure == false && silent.loop.openSockets == 0)
    }

    @Test(arguments: ["N", "E", "x"], [(SSLMode.require, Protection.asConfigured), (.prefer, .encrypted)])
    func `gives no plain connection where TLS is required`(_ text: String, _ how: (SSLMode, Protection)) throws {
        let attempt = try Attempt(how.0, how.1)
        attempt.start()
        attempt.answer(text)
        attempt.answer(text)
        #expect(attempt.result.map { if case .failure = $0 { true } else { false } } == true)
        #expect(attempt.failure?.isInsecure == true && attempt.loop.openSockets == 0)
        #expect(attempt.failure?.description.contains("connection to server at 127.0.0.1:2 failed: ") == true)
    }

    @Test func `reads no byte after the answer`() throws {
        let attempt = try Attempt(.prefer)
        attempt.start()
        attempt.answer("N" + "injected")
        #expect(attempt.loop.connections[0].inbox == Array("injected".utf8))
    }

    @Test func `asks nothing where the session had no TLS`() throws {
        let attempt = try Attempt(.require, .plain)
        attempt.start()
        #expect(attempt.isPlain && attempt.loop.connections[0].takeOutbox() == [])
    }

    /// The timer of the first connection is over; the second connection is established at once and starts no timer.
    @Test(arguments: [false, true]) func `gives a silent server its time, after one that failed`(_ fails: Bool) throws {
        let attempt = try Attempt(.prefer, connectsAtOnce: true)
        if fails { attempt.loop.networks[addresses[0].address] = .impossible }
        attempt.start()
        attempt.loop.advance(by: .milliseconds(2500))
        #expect(attempt.failure != nil && attempt.loop.openSockets == 0 && attempt.loop.liveTimers == 0)
    }
}
