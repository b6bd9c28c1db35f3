// The HTTP server with real connections: what it answers, and what it does with clients that want too much.

import Glibc
import HTTP
import Reactor
import TestSupport
import Testing

@Suite struct `The HTTP server` {
    /// A server on a port of the system's choice.
    private final class Rig {
        let loop = LibeventLoop(receiveBufferSize: 4096)
        private let socket: ListeningSocket
        private var server: HTTPServer?
        private(set) var requests: [HTTPRequest] = []

        init(
            limits: HTTPLimits = HTTPLimits(), hosts: HostCheck? = HostCheck(names: []),
            _ handler: @escaping (HTTPExchange) -> Void = { $0.answer(.line(.ok, "hello")) }
        ) throws {
            // As the program does.
            SignalWatch.ignoreBrokenPipes()
            socket = try ListeningSocket(.ipv4(0x7f00_0001, port: 0))
            server = try HTTPServer(loop: loop, sockets: [socket], hosts: hosts, limits: limits) { [unowned self] in
                requests.append($0.request)
                handler($0)
            }
        }

        deinit {
            server = nil
        }

        func connect() throws -> Peer {
            let peer = Peer(Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
            let port = try #require(socket.address.port)
            try #require(unsafe withLoopback(port) { unsafe Glibc.connect(peer.descriptor, $0, $1) } == 0)
            _ = fcntl(peer.descriptor, F_SETFL, O_NONBLOCK)
            return peer
        }

        /// The answer to `request`.
        func exchange(_ request: String, for duration: Duration = .milliseconds(50)) throws -> String {
            let peer = try connect()
            peer.write(Array(request.utf8))
            loop.run(for: duration)
            return read(peer)
        }

        func read(_ peer: Peer) -> String {
            var bytes: [UInt8] = []
            while let more = peer.read(65_536) { bytes += more }
            return String(decoding: bytes, as: UTF8.self)
        }

        /// Whether the server has ended the connection.
        func hasEnded(_ peer: Peer) -> Bool {
            repeat { errno = 0 } while peer.read(65_536) != nil
            return errno != EAGAIN
        }
    }

    private static let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

    @Test func `answers GET with a body and HEAD with its length only`() throws {
        let rig = try Rig()
        let got = try rig.exchange(Self.get)
        #expect(got.hasPrefix("HTTP/1.1 200 OK\r\n") && got.hasSuffix("\r\n\r\nhello\n"))
        let head = try rig.exchange("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(
            head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.hasSuffix("\r\n\r\n")
                && head.contains("Content-Length: 6\r\n"))
        for field in [
            "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n", "Cache-Control: no-store\r\n",
            "Referrer-Policy: no-referrer\r\n", "X-Content-Type-Options: nosniff\r\n",
        ] {
            #expect(got.contains(field) && head.contains(field))
        }
        #expect(!got.contains("Access-Control"))
    }

    @Test func `answers several requests of one connection`() throws {
        let rig = try Rig()
        let got = try rig.exchange(Self.get + Self.get)
        #expect(got.split(separator: "HTTP/1.1 200 OK").count == 2 && rig.requests.count == 2)
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
    func `answers no other method`(method: String) throws {
        let rig = try Rig()
        let got = try rig.exchange("\(method) / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        #expect(got.hasPrefix("HTTP/1.1 405 ") && got.contains("Allow: GET, HEAD\r\n") && rig.requests.isEmpty)
    }

    @Test func `refuses another host, unless no browser reaches it`() throws {
        let request = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        #expect(try Rig().exchange(request).hasPrefix("HTTP/1.1 421 "))
        #expect(try Rig(hosts: nil).exchange(request).hasPrefix("HTTP/1.1 200 "))
    }

    @Test func `hands on path, parameters and Accept`() throws {
        let rig = try Rig()
        _ = try rig.exchange(
            "GET /a?b&c=&d=%3Cx+y%3E%00%ff%zz&=e HTTP/1.1\r\nHost: localhost\r\nAccept: text/x\r\n\r\n")
        let request = try #require(rig.requests.first)
        #expect(request.path == "/a" && request.accept == "text/x" && request.has("b") && !request.has("x"))
        #expect(
            request.parameters == [
                .init("b", nil), .init("c", ""), .init("d", "<x y>\0\u{fffd}%zz"), .init("", "e"),
            ])
    }

    @Test func `answers later where the handler does, also where the client has left`() throws {
        let waiting = Box<[HTTPExchange]>([])
        let rig = try Rig { waiting.value.append($0) }
        let (staying, leaving, resetting) = (try rig.connect(), try rig.connect(), try rig.connect())
        for peer in [staying, leaving, resetting] { peer.write(Array(Self.get.utf8)) }
        rig.loop.run(for: .milliseconds(50))
        #expect(waiting.value.count == 3)
        leaving.close()
        resetting.reset()
        rig.loop.run(for: .milliseconds(50))
        #expect(rig.read(staying) == "")
        for exchange in waiting.value {
            exchange.answer(.line(.ok, "late"))
            exchange.answer(.line(.ok, "twice"))
        }
        rig.loop.run(for: .milliseconds(50))
        #expect(rig.read(staying).hasSuffix("\r\n\r\nlate\n"))
        waiting.value = []
    }

    @Test func `answers with an error where the handler forgets to`() throws {
        #expect(try Rig { _ in }.exchange(Self.get).hasPrefix("HTTP/1.1 500 "))
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "GET / HTTP/9.9\r\nx\r\n\r\n", "GET\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", "\u{16}\u{3}\u{1}\r\n\r\n",
    ])
    func `never hands on garbage`(_ request: String) throws {
        let rig = try Rig()
        let got = try rig.exchange(request)
        #expect(got.isEmpty || got.hasPrefix("HTTP/1.") && !got.hasPrefix("HTTP/1.1 200"), "\(got)")
        #expect(rig.requests.isEmpty)
        #expect(try rig.exchange(Self.get).hasPrefix("HTTP/1.1 200 "))
    }

    @Test func `refuses a header that is too long`() throws {
        let rig = try Rig()
        let fields = String(repeating: "X: \(String(repeating: "x", count: 500))\r\n", count: 20)
        let got = try rig.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n")
        #expect(!got.contains(" 200 ") && rig.requests.isEmpty)
        let line = try rig.exchange("GET /\(String(repeating: "x", count: 9000)) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(!line.contains(" 200 ") && rig.requests.isEmpty)
    }

    @Test func `ends the oldest connections where there are too many, so that the newest is answered`() throws {
        var limits = HTTPLimits()
        limits.connections = 4
        let rig = try Rig(limits: limits)
        let silent = try (0..<50).map { _ in try rig.connect() }
        rig.loop.run(for: .milliseconds(100))
        #expect(try rig.exchange(Self.get, for: .milliseconds(200)).hasPrefix("HTTP/1.1 200 "))
        rig.loop.run(for: .milliseconds(1100))
        let open = silent.filter { !rig.hasEnded($0) }
        #expect(open.count <= 4, "\(open.count)")
    }

    @Test func `ends a connection whose request takes too long, whatever arrives`() throws {
        var limits = HTTPLimits()
        limits.age = .milliseconds(500)
        let rig = try Rig(limits: limits)
        let (silent, slow) = (try rig.connect(), try rig.connect())
        for byte in Self.get.utf8.dropLast(4).prefix(25) {
            slow.write([byte])
            rig.loop.run(for: .milliseconds(100))
        }
        #expect(rig.hasEnded(silent) && rig.hasEnded(slow) && rig.requests.isEmpty)
    }

    @Test func `ends a connection whose client does not read`() throws {
        var limits = HTTPLimits()
        limits.age = .milliseconds(500)
        let long = [UInt8](repeating: 0x78, count: 32 << 20)
        let rig = try Rig(limits: limits) { $0.answer(HTTPResponse(contentType: "text/plain", body: long)) }
        let slow = try rig.connect()
        slow.write(Array(Self.get.utf8))
        rig.loop.run(for: .milliseconds(2600))
        var count = 0
        while let more = slow.read(1 << 20) { count += more.count }
        #expect(count < long.count && rig.hasEnded(slow))
    }

    @Test func `waits without work`() throws {
        let rig = try Rig()
        let peers = try (0..<3).map { _ in try rig.connect() }
        rig.loop.run(for: .milliseconds(50))
        #expect(rig.loop.run(for: .milliseconds(100)) < idleProcessorTime)
        withExtendedLifetime(peers) {}
    }
}
