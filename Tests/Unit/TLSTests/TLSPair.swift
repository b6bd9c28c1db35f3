// A TLS client and a TLS server, both on one loop, and their certificates.

import Glibc
import Reactor
import TLS
import TestSupport
import Testing

/// The suite of all tests of this module, one after the other: several measure processor time or fill kernels' buffers.
@Suite(.serialized) enum OverTLS {}

func path(_ name: String) throws -> String {
    try Certificates.shared.get().path(name)
}

/// A server with the certificate for localhost.
func makeServer(
    _ name: String = "right", _ change: (inout TLSServerOptions) throws -> Void = { _ in }
) throws -> TLSServer {
    var options = TLSServerOptions(certificate: try path("\(name).crt"), key: try path("\(name).key"))
    try change(&options)
    return try TLSServer(options)
}

/// A client that trusts the authority and checks the name.
func makeClient(_ change: (inout TLSClientOptions) throws -> Void = { _ in }) throws -> TLSClient {
    var options = TLSClientOptions()
    options.authorities = .file(try path("authority.crt"))
    options.checksName = true
    try change(&options)
    return try TLSClient(options)
}

/// Two ends of a connection on one loop.
func makeEnds(on loop: LibeventLoop, _ transport: Transport = .unix) throws -> (any StreamSocket, any StreamSocket) {
    // OpenSSL writes without MSG_NOSIGNAL; pgleash does this at its start.
    SignalWatch.ignoreBrokenPipes()
    let (near, far) = try makeDescriptors(transport)
    guard fcntl(far, F_SETFL, O_NONBLOCK) == 0 else { throw SystemError(errno) }
    let address = SocketAddress.unix(path: "")
    return (
        loop.adopt(AcceptedSocket(descriptor: near, peer: address)),
        loop.adopt(AcceptedSocket(descriptor: far, peer: address))
    )
}

/// The result of a handshake: none yet, success, or an error.
final class Verdict {
    private(set) var calls = 0
    private(set) var error: TLSError?

    var isAgreement: Bool { calls == 1 && error == nil }

    func note(_ error: TLSError?) {
        calls += 1
        self.error = error
    }
}

/// Both sides of a TLS connection.
struct TLSPair {
    let client: TLSSocket
    let server: TLSSocket
    let clientVerdict = Verdict()
    let serverVerdict = Verdict()

    /// Begins the handshake of both sides, and runs it to its end.
    init(
        on loop: LibeventLoop,
        _ transport: Transport = .unix,
        client: TLSClient? = nil,
        server: TLSServer? = nil,
        host: String = "localhost"
    ) throws {
        let (near, far) = try makeEnds(on: loop, transport)
        self.client = try (client ?? makeClient()).connect(over: near, host: host, loop: loop)
        self.server = try (server ?? makeServer()).accept(over: far, loop: loop)
        let (clientVerdict, serverVerdict) = (clientVerdict, serverVerdict)
        let isOver = { clientVerdict.calls > 0 && serverVerdict.calls > 0 }
        // A side whose handshake fails closes, as a session does.
        self.client.handshake { [client = self.client] error in
            clientVerdict.note(error)
            if error != nil { client.close() }
            if isOver() { loop.stop() }
        }
        self.server.handshake { [server = self.server] error in
            serverVerdict.note(error)
            if error != nil { server.close() }
            if isOver() { loop.stop() }
        }
        if !isOver() { loop.run(for: .seconds(10)) }
    }

    /// The same, where both handshakes must succeed.
    static func agreed(
        on loop: LibeventLoop, _ transport: Transport = .unix, client: TLSClient? = nil, server: TLSServer? = nil
    ) throws -> TLSPair {
        let pair = try TLSPair(on: loop, transport, client: client, server: server)
        try #require(pair.clientVerdict.isAgreement, "client: \(String(describing: pair.clientVerdict.error))")
        try #require(pair.serverVerdict.isAgreement, "server: \(String(describing: pair.serverVerdict.error))")
        return pair
    }
}

/// Bytes that show their position.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
}

/// Whether the bytes are equal. `#expect` with `==` would search for the difference for hours.
func isSame(_ left: [UInt8], _ right: some Sequence<UInt8>) -> Bool { left.elementsEqual(right) }
