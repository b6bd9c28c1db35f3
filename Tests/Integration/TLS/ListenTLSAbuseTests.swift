// Clients that begin TLS in ways no driver does: they stall, stop, send too much too early, or connect by the thousand.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When a client abuses TLS` {
        /// Sends an SSLRequest, and reads the answer.
        private func askForTLS(_ pgleash: PgleashProcess) throws -> RawClient {
            let client = try RawClient(port: pgleash.port)
            try client.send(Frontend.sslRequest)
            try #require(try client.readBytes(1) == [UInt8(ascii: "S")])
            return client
        }

        /// The first message of openssl: a ClientHello with this protocol in it, if any.
        private static func clientHello(alpn: String?) throws -> [UInt8] {
            let server = try FakeServer()
            let arguments = ["s_client", "-connect", server.address] + (alpn.map { ["-alpn", $0] } ?? [])
            let openssl = try ChildProcess(Programs.debian("openssl"), arguments)
            defer { openssl.send(SIGKILL) }
            let session = try server.accept()
            let header = try session.readBytes(5)
            return try header + session.readBytes(Int(header[3]) << 8 | Int(header[4]))
        }

        @Test func `clear text after the request ends the connection`() throws {
            let pgleash = try PgleashProcess(listening: "allow")
            let client = try RawClient(port: pgleash.port)
            try client.send(Frontend.sslRequest + Frontend.startup(name: "too early"))
            let error = try client.readMessage()
            #expect(error.field("C") == "08P01")
            #expect(error.field("M") == "received unencrypted data after SSL request")
            #expect(try client.readToEnd() == [])
            // The bytes after the answer must be TLS.
            let late = try askForTLS(pgleash)
            try late.send(Frontend.startup(name: "too late"))
            do {
                #expect(try !late.readToEnd().contains(UInt8(ascii: "R")))
            } catch RawClientError.failed(ECONNRESET) {
                // OpenSSL 3.5 receives only the first bytes, and the kernel resets a connection that has unread bytes.
            }
            try pgleash.waitForReport("both ends") {
                $0["sessions_ended_total", "protocol_error"] == 1 && $0["sessions_ended_total", "ssl_failed"] == 1
            }
            pgleash.stop()
        }

        @Test func `TLS is asked for once, and not within TLS`() throws {
            let pgleash = try PgleashProcess(listening: "allow")
            let client = try RawClient(port: pgleash.port)
            try client.send(Frontend.gssEncryptionRequest)
            #expect(try client.readBytes(1) == [UInt8(ascii: "N")])
            try client.send(Frontend.gssEncryptionRequest)
            #expect(try client.readMessage().field("C") == "0A000")
            pgleash.stop()
        }

        @Test(arguments: [true, false]) func `a handshake that is cut at any byte ends its session alone`(
            _ isDirect: Bool
        ) throws {
            let hello = try Self.clientHello(alpn: "postgresql")
            let pgleash = try PgleashProcess(listening: "allow")
            try pgleash.waitForProbe()
            let bystander = try Bystander(port: pgleash.port)
            let descriptors = pgleash.descriptors
            for count in 0...hello.count {
                let client = try isDirect ? RawClient(port: pgleash.port) : askForTLS(pgleash)
                try client.send(Array(hello[..<count]))
                count.isMultiple(of: 2) ? client.reset() : client.close()
            }
            try pgleash.waitForReport("their ends") { $0["sessions_active"] == 1 }
            #expect(pgleash.descriptors == descriptors)
            #expect(try !bystander.stop().isEmpty)
            pgleash.stop()
        }

        @Test func `a connection that begins with TLS has to say what for`() throws {
            let pgleash = try PgleashProcess(listening: "require")
            for alpn in [nil, "http/1.1"] {
                let client = try RawClient(port: pgleash.port)
                try client.send(try Self.clientHello(alpn: alpn))
                // The handshake needs openssl's secrets to continue, so another protocol is refused at once, and no
                // protocol is not.
                if alpn != nil { #expect(try client.readToEnd().first == 0x15) }
            }
            let refused = try ChildProcess.run(
                Programs.debian("openssl"), ["s_client", "-connect", pgleash.address, "-quiet"]
            )
            #expect(refused.output == "")
            try wait(for: "the reason in the log") {
                !pgleash.logLines("without ALPN protocol negotiation extension").isEmpty
            }
            pgleash.stop()
        }

        @Test func `a handshake that stalls is ended by authentication_timeout`() throws {
            let pgleash = try PgleashProcess(listening: "allow", ["authentication_timeout = 1s"])
            let hello = try Self.clientHello(alpn: nil)
            let silent = try askForTLS(pgleash)
            let half = try askForTLS(pgleash)
            try half.send(Array(hello.prefix(100)))
            let answered = try askForTLS(pgleash)
            try answered.send(hello)
            let direct = try RawClient(port: pgleash.port)
            try direct.send([0x16])
            let time = try timed { for client in [silent, half, answered, direct] { _ = try client.readToEnd() } }
            #expect(time > .milliseconds(700) && time < .seconds(3))
            #expect(try pgleash.report()["sessions_ended_total", "authentication_timeout"] == 4)
            pgleash.stop()
        }

        @Test func `thousands of half-open handshakes delay no other client, and hold little memory`() throws {
            var limit = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            // Each needs a descriptor in the test, too.
            let count = min(10_000, Int(limit.rlim_cur) - 1000)
            let pgleash = try PgleashProcess(listening: "allow", ["max_sessions = 20000"])
            let bystander = try Bystander(port: pgleash.port)
            let other = try Bystander(port: PrivatePostgres.shared.port)
            let hello = try Self.clientHello(alpn: nil)
            let before = pgleash.memory("VmRSS")
            let clients = try (0..<count).map { number in
                let client = try askForTLS(pgleash)
                if number.isMultiple(of: 2) { try client.send(Array(hello.prefix(hello.count / 2))) }
                return client
            }
            let worst = try #require(try bystander.stop().max())
            let floor = try #require(try other.stop().max())
            #expect(worst < max(.milliseconds(50), floor * 3), "bystander: \(worst), without pgleash: \(floor)")
            let taken = (pgleash.memory("VmRSS") - before) / count
            #expect(Programs.areSanitized || taken < 64, "\(taken) KiB each")
            clients.forEach { $0.close() }
            try pgleash.waitForReport("their ends", within: .seconds(30)) { $0["sessions_active"] == 0 }
            pgleash.stop()
        }
    }
}
