// Handshakes that succeed and fail: the requirements of each side, and peers that stop, leave or send invalid bytes.

import COpenSSL
import Foundation
import Glibc
import Reactor
import TLS
import TestSupport
import Testing

extension OverTLS {
    @Suite struct `A TLS handshake` {
        @Test func `agrees on PostgreSQL's protocol, and one side sees the other's end`() throws {
            try withLoop { loop in
                for transport in Transport.allCases {
                    let pair = try TLSPair.agreed(on: loop, transport)
                    #expect(pair.client.hasAgreedOnProtocol && pair.server.hasAgreedOnProtocol)
                    #expect(pair.client.encryptedPeerName == "localhost")
                    pair.client.close()
                    #expect(Talker(pair.server, on: loop).endComes(loop) == .endOfStream)
                }
            }
        }

        @Test(
            arguments: [
                ("127.0.0.1", "right", nil), ("www.example.org", "right", nil),
                ("a.www.example.org", "right", "server certificate does not match host name"),
                ("127.0.0.2", "right", "server certificate does not match host name"),
                ("example.com", "right", "server certificate does not match host name"),
                ("localhost", "expired", "certificate has expired"),
                ("localhost", "other", "self-signed certificate"), ("", "right", "host name must be specified"),
            ] as [(String, String, String?)])
        func `fails for a certificate that won't do, and says why`(
            _ host: String, _ certificate: String, _ reason: String?
        ) throws {
            try withLoop { loop in
                do {
                    let pair = try TLSPair(on: loop, server: try makeServer(certificate), host: host)
                    expect(pair.clientVerdict.error, reason)
                    #expect((pair.serverVerdict.error == nil) == (reason == nil))
                } catch let error as TLSError {
                    expect(error, reason)
                }
            }
        }

        @Test(arguments: [("right", nil), ("revoked", "certificate revoked")] as [(String, String?)])
        func `refuses revoked certificates`(_ certificate: String, _ reason: String?) throws {
            try withLoop { loop in
                let client = try makeClient { $0.revocationList = try path("authority.crl") }
                let server = try makeServer(certificate)
                expect(try TLSPair(on: loop, client: client, server: server).clientVerdict.error, reason)
            }
        }

        @Test func `without authorities proves nothing and encrypts all the same`() throws {
            try withLoop { loop in
                let client = try makeClient {
                    $0.authorities = nil; $0.checksName = false
                }
                _ = try TLSPair.agreed(on: loop, client: client, server: try makeServer("other"))
            }
        }

        @Test(arguments: TLSVersion.allCases.suffix(2), ["", "client", "other"])
        func `accepts clients with a certificate of the authority`(_ version: TLSVersion, _ name: String) throws {
            try withLoop { loop in
                let server = try makeServer { $0.clientAuthorities = try path("authority.crt") }
                let client = try makeClient {
                    $0.maximumVersion = version
                    if !name.isEmpty { ($0.certificate, $0.key) = (try path("\(name).crt"), try path("\(name).key")) }
                }
                let pair = try TLSPair(on: loop, client: client, server: server)
                let reasons = ["": "peer did not return a certificate", "other": "certificate verify failed"]
                expect(pair.serverVerdict.error, reasons[name])
                guard name != "client" else { return }
                // With TLS 1.3 a client learns of it only after its own handshake.
                let isLate = pair.clientVerdict.error == nil
                #expect(isLate == (version == .tls13))
                if isLate { #expect(Talker(pair.client, on: loop).endComes(loop) == .failed(.protocolError)) }
            }
        }

        /// Group, length and form of the key.
        @Test(.enabled(if: OpenSSL_version_num() < 0x3050_0000))
        func `begins with a key that PostgreSQL takes`() throws {
            try withLoop { loop in
                let (near, peer) = try makePair(on: loop, .unix)
                let client = try makeClient().connect(over: near, host: "localhost", loop: loop)
                client.handshake { _ in }
                let hello = try #require(peer.read(100_000))
                #expect(hello.firstRange(of: [0, 0x17, 0, 65, 4] as [UInt8]) != nil)
            }
        }

        @Test(arguments: ["127.1", "fe80::1%lo"])
        func `says so when no certificate can be for the host`(_ host: String) throws {
            try withLoop { loop in
                let (near, far) = try makeEnds(on: loop)
                defer { far.close() }
                let client = try makeClient()
                // The reason is not an error that OpenSSL noted before.
                unsafe BIO_new_file("/no/such/file", "r")
                let reason = TLSError("host name \"\(host)\" cannot be verified against a certificate")
                #expect(throws: reason) { try client.connect(over: near, host: host, loop: loop) }
            }
        }

        @Test func `finds no version that both take`() throws {
            try withLoop { loop in
                let client = try makeClient { $0.maximumVersion = .tls12 }
                let server = try makeServer { $0.minimumVersion = .tls13 }
                let pair = try TLSPair(on: loop, client: client, server: server)
                expect(pair.serverVerdict.error, "unsupported protocol")
                expect(pair.clientVerdict.error, "tlsv1 alert protocol version")
            }
        }

        /// Split the client's first flight, the server's, and the client's second one at every byte.
        @Test(arguments: [false, true]) func `that is cut at any byte fails or waits, and lets go`(_ closes: Bool)
            throws
        {
            try withLoop { loop in
                let (client, server) = (try makeClient(), try makeServer())
                for flight in 0..<3 {
                    var (cut, isWhole) = (0, false)
                    while !isWhole {
                        let run = try Cut(on: loop, client, server, flight, at: cut, closes)
                        isWhole = run.isWhole
                        // The side that received the end notices it when the timers have run; the other one waits.
                        if closes { loop.run(for: .zero) }
                        let isOver = run.verdict.calls == 1
                        #expect(isOver == (closes || isWhole), "flight \(flight), \(cut) bytes")
                        if closes, !isWhole { #expect(run.verdict.error?.description.isEmpty == false) }
                        run.victim.close()
                        #expect(run.peer.seesEnd, "flight \(flight), \(cut) bytes: the descriptor is open")
                        cut += 1
                    }
                    #expect(cut > 60, "flight \(flight) has more bytes than that")
                }
            }
        }

        @Test(arguments: [
            Array("GET / HTTP/1.1\r\n\r\n".utf8), [UInt8](repeating: 0, count: 100), [0x16, 3, 1, 0xff, 0xff],
            [0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], [0x15, 3, 3, 0, 2, 2, 40], [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f],
            [0x16, 3, 3, 0, 0], [0x80, 0x2e, 1, 3, 1],
        ]) func `with invalid bytes fails, and reports that once`(_ bytes: [UInt8]) throws {
            try withLoop { loop in
                for isServer in [false, true] {
                    let (socket, peer) = try makePair(on: loop, .unix)
                    let verdict = Verdict()
                    let tls =
                        try isServer
                        ? makeServer().accept(over: socket, loop: loop)
                        : makeClient().connect(over: socket, host: "localhost", loop: loop)
                    #expect(peer.write(bytes + [UInt8](repeating: 0x55, count: 70_000)) > 0)
                    tls.handshake { error in
                        verdict.note(error)
                        tls.close()
                    }
                    #expect(verdict.calls == 0, "no failure within the call itself")
                    loop.run(for: .milliseconds(20))
                    #expect(verdict.calls == 1)
                    let reason = verdict.error?.description ?? ""
                    #expect(!reason.isEmpty && reason != "unknown error" && !reason.contains("\n"))
                }
            }
        }

        @Test func `that is given up causes no event, whichever side closes first`() throws {
            try withLoop { loop in
                for closes in [false, true] {
                    let (socket, peer) = try makePair(on: loop, .unix)
                    let verdict = Verdict()
                    var tls: TLSSocket? = try makeServer().accept(over: socket, loop: loop)
                    peer.write([1, 2, 3, 4, 5, 6])
                    tls?.handshake { verdict.note($0) }
                    if closes { tls?.close() }
                    tls = nil
                    loop.run(for: .milliseconds(10))
                    #expect(verdict.calls == 0)
                }
            }
        }
    }
}

private func expect(_ error: TLSError?, _ reason: String?, sourceLocation: SourceLocation = #_sourceLocation) {
    guard let reason else {
        #expect(error == nil, sourceLocation: sourceLocation)
        return
    }
    let text = error?.description ?? ""
    #expect(text.contains(reason) && !text.contains("\n"), sourceLocation: sourceLocation)
}

extension Talker {
    /// Waits for the end of the peer's stream.
    fileprivate func endComes(_ loop: LibeventLoop) -> Received? {
        _ = loop.run(self) { [unowned self] in end != nil }
        return end
    }
}

/// A handshake whose flights the test carries from one side to the other, one of them only in part.
private struct Cut {
    /// The side that gets only a part, and the other end of its connection.
    let victim: TLSSocket
    let peer: Peer
    let verdict = Verdict()
    /// The part is all of it.
    let isWhole: Bool

    init(
        on loop: LibeventLoop, _ client: TLSClient, _ server: TLSServer, _ flight: Int, at count: Int, _ closes: Bool
    ) throws {
        let (near, nearPeer) = try makePair(on: loop, .unix)
        let (far, farPeer) = try makePair(on: loop, .unix)
        let ends = (
            try client.connect(over: near, host: "localhost", loop: loop), try server.accept(over: far, loop: loop)
        )
        let isClient = flight == 1
        (victim, peer) = isClient ? (ends.0, nearPeer) : (ends.1, farPeer)
        let verdict = verdict
        let (clientDone, serverDone): (TLSSocket.Completion, TLSSocket.Completion) = (
            { if isClient { verdict.note($0) } }, { if !isClient { verdict.note($0) } }
        )
        ends.0.handshake(clientDone)
        var bytes = nearPeer.read(100_000) ?? []
        if flight > 0 {
            farPeer.write(bytes)
            ends.1.handshake(serverDone)
            bytes = farPeer.read(100_000) ?? []
        }
        if flight > 1 {
            nearPeer.write(bytes)
            loop.run(for: .zero)
            loop.run(for: .zero)
            bytes = nearPeer.read(100_000) ?? []
        }
        // The first flight alone ends no handshake.
        isWhole = count >= bytes.count
        peer.write(Array(bytes.prefix(count)))
        if closes, !isWhole { peer.finish() }
        if flight == 0 { ends.1.handshake(serverDone) } else { loop.run(for: .zero) }
        if flight == 0, isWhole { verdict.note(nil) }
        loop.run(for: .zero)
    }
}

extension Peer {
    /// No more bytes arrive.
    fileprivate var seesEnd: Bool {
        while let bytes = read(100_000), !bytes.isEmpty {}
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&query, 1, 0) == 1 && query.revents & Int16(POLLHUP) != 0
    }
}
