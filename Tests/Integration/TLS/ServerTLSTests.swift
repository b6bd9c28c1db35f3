// TLS to the server, with libpq's options: the result of each sslmode with each server, the name check, SNI, and the
// versions.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `With TLS to the server` {
        private static let files = Certificates.shared

        /// The options of pgleash.
        enum Mode: String, CaseIterable {
            case disable, prefer, require
            /// A configured authority is verified with `require`, too, as in libpq.
            case requireWithAuthority = "require, sslrootcert"
            case verifyCA = "verify-ca"
            case verifyFull = "verify-full"

            var settings: [String] {
                let mode = rawValue.split(separator: ",").first ?? ""
                let authority = ["sslrootcert = \(files.authority)", "sslcrl = \(files.revocationList)"]
                return ["sslmode = \(mode)"] + (self == .require ? [] : authority)
            }

            func way(to server: Certificates.Server?) -> ServerWay {
                guard let server else {
                    let isPlain = self == .disable || self == .prefer
                    return isPlain ? .plain : .insecure("server does not support SSL, but SSL was required")
                }
                return switch (self, server) {
                case (.disable, _): .plain
                case (.prefer, _), (.require, _), (_, .right): .encrypted("TLSv1.3")
                case (_, .expired): .unverified("certificate has expired")
                case (_, .unknownAuthority): .unverified("unable to get local issuer certificate")
                case (_, .revoked): .unverified("certificate revoked")
                case (.verifyFull, .wrongName): .mismatch("localhost")
                case (_, .wrongName): .encrypted("TLSv1.3")
                }
            }
        }

        /// In front of the server that encrypts.
        private func startPgleash(host: String = "localhost", _ tls: [String]) throws -> PgleashProcess {
            try PgleashProcess(serverPort: PrivatePostgres.encrypting.port, host: host, tls: tls)
        }

        private static let verifyFull = ["sslmode = verify-full", "sslrootcert = \(files.authority)"]

        @Test(arguments: Mode.allCases)
        func `each sslmode connects or refuses, whatever the server's certificate`(_ mode: Mode) throws {
            let pgleash = try startPgleash(mode.settings)
            for server in Certificates.Server.allCases {
                let way = try PrivatePostgres.encrypting.whileShowing(server) { try pgleash.wayToServer() }
                #expect(way == mode.way(to: server), "\(server)")
            }
            pgleash.stop()
            let other = try PgleashProcess(serverPort: PrivatePostgres.shared.port, tls: mode.settings)
            #expect(try other.wayToServer() == mode.way(to: nil))
            other.stop()
        }

        @Test func `libpq's client gets the reason, and so does the log`() throws {
            let pgleash = try startPgleash(Self.verifyFull)
            let reason = "failed: SSL error: certificate verify failed: certificate has expired"
            try PrivatePostgres.encrypting.whileShowing(.expired) {
                let error = #expect(throws: LibpqError.self) { try LibpqClient(port: pgleash.port) }
                #expect(error?.description.contains("FATAL:  connection to server at ") == true)
                #expect(error?.description.contains(reason) == true)
            }
            #expect(try !pgleash.waitForLogLines(reason).isEmpty)
            #expect(try pgleash.report()["connect_failures_total"] == 1)
            pgleash.stop()
        }

        @Test func `without sslcrl nothing is known to be revoked`() throws {
            let pgleash = try startPgleash(Self.verifyFull)
            let way = try PrivatePostgres.encrypting.whileShowing(.revoked) { try pgleash.wayToServer() }
            #expect(way == .encrypted("TLSv1.3"))
            pgleash.stop()
        }

        @Test func `the certificate has to be for the name or the address the server was found by`() throws {
            let server = PrivatePostgres.encrypting
            for host in ["localhost", "127.0.0.1"] {
                let pgleash = try startPgleash(host: host, Self.verifyFull)
                #expect(try pgleash.wayToServer() == .encrypted("TLSv1.3"))
                let way = try server.whileShowing(.wrongName) { try pgleash.wayToServer() }
                #expect(way == .mismatch(host))
                pgleash.stop()
            }
        }

        @Test(arguments: [("localhost", 1, true), ("localhost", 0, false), ("127.0.0.1", 1, false)])
        func `the server gets its host name, if it is one and sslsni is on`(
            host: String, sslsni: Int, isTold: Bool
        ) throws {
            let between = try PassThrough(to: PrivatePostgres.encrypting.port)
            let pgleash = try PgleashProcess(
                serverPort: between.port, host: host, tls: ["sslmode = require", "sslsni = \(sslsni)"]
            )
            #expect(try pgleash.wayToServer() == .encrypted("TLSv1.3"))
            pgleash.stop()
            #expect(between.openings.count >= 2)
            for opening in between.openings {
                #expect(opening.isEncrypted)
                // RFC 6066: a host name's type, its length and the name.
                #expect(opening.contains([0, 0, UInt8(host.utf8.count)] + Array(host.utf8)) == isTold)
            }
        }

        @Test func `the versions of TLS that are agreed on have bounds`() throws {
            let server = PrivatePostgres.encrypting
            let older = try startPgleash(["sslmode = require", "ssl_max_protocol_version = TLSv1.2"])
            #expect(try older.wayToServer() == .encrypted("TLSv1.2"))
            older.stop()
            let newer = try startPgleash(["sslmode = require", "ssl_min_protocol_version = TLSv1.3"])
            let lenient = try startPgleash(["sslmode = prefer", "ssl_min_protocol_version = TLSv1.3"])
            #expect(try newer.wayToServer() == .encrypted("TLSv1.3"))
            #expect(try lenient.wayToServer() == .encrypted("TLSv1.3"))
            try server.set("ssl_max_protocol_version", to: "TLSv1.2")
            defer { try? server.set("ssl_max_protocol_version", to: "") }
            #expect(try newer.wayToServer() == .insecure("SSL error: tlsv1 alert protocol version"))
            // Where encryption is not required, a failed handshake is no reason to refuse.
            #expect(try lenient.wayToServer() == .plain)
            newer.stop()
            lenient.stop()
        }

        @Test func `a server that knows of no direct TLS is refused`() throws {
            let server = try FakeServer()
            let pgleash = try PgleashProcess(
                serverPort: server.port, host: "127.0.0.1", tls: ["sslmode = require", "sslnegotiation = direct"]
            )
            try closeAfterClientHello(server)
            try pgleash.waitForProbe()
            let client = try RawClient(port: pgleash.port)
            try client.send(Frontend.startup(name: "direct"))
            try closeAfterClientHello(server)
            let reason =
                "failed: SSL error: the peer closed the connection during the handshake"
                + " (direct negotiation needs PostgreSQL 17 or later)"
            #expect(try client.readMessage().field("M").hasSuffix(reason))
            pgleash.stop()
        }

        /// Answers a connection as PostgreSQL 16 and earlier do.
        private func closeAfterClientHello(_ server: FakeServer) throws {
            let session = try server.accept()
            let header = try session.readBytes(5)
            _ = try session.readBytes(Int(header[3]) << 8 | Int(header[4]))
            session.close()
        }

        @Test func `Unix sockets are never encrypted, whatever the mode`() throws {
            let server = PrivatePostgres.encrypting
            let pgleash = try PgleashProcess(
                server: nil,
                configuration: ["server": ["host = \(server.socketFolder)", "port = \(server.port)"] + Self.verifyFull]
            )
            #expect(try pgleash.wayToServer() == .plain)
            pgleash.stop()
        }
    }
}
