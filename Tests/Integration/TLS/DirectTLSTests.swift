// TLS to the server from the first byte on (sslnegotiation = direct), which PostgreSQL supports from version 17 on.
// Here a TLS listener in front of an older server supports it.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `With TLS from the first byte on` {
        private let postgres = PrivatePostgres.encrypting

        /// A program that accepts TLS, and a relay in front of it that records the connections.
        private struct Listener {
            let program: ChildProcess
            let between: PassThrough

            init(_ certificate: Certificates.Server = .right, protocols: [String] = ["postgresql"]) throws {
                let (files, port) = (Certificates.shared, try freePort())
                let ports = ["\(port)", "\(PrivatePostgres.encrypting.port)"]
                let program = try ChildProcess(
                    Programs.debian("python3"),
                    ["\(Programs.sources)/direct_tls_listener.py"] + ports + [files[certificate], files.serverKey]
                        + protocols
                )
                try wait(for: "the listener") {
                    guard program.isRunning else { throw TimedOut(description: program.errorOutput) }
                    return program.output == "ready\n"
                }
                self.program = program
                between = try PassThrough(to: port)
            }
        }

        private func startPgleash(_ listener: Listener, _ mode: String) throws -> PgleashProcess {
            let root = "sslrootcert = \(Certificates.shared.authority)"
            let tls = ["sslmode = \(mode)", "sslnegotiation = direct", root]
            return try PgleashProcess(serverPort: listener.between.port, tls: tls)
        }

        @Test(arguments: ["require", "verify-ca", "verify-full"])
        func `sessions and cancels begin with a handshake`(_ mode: String) throws {
            let listener = try Listener()
            let pgleash = try startPgleash(listener, mode)
            try pgleash.waitForProbe()
            let client = try pgleash.connectBusy(name: "direct", server: postgres)
            let cancel = try RawClient(port: pgleash.port)
            try cancel.send(Frontend.cancelRequest(client.key))
            #expect(try cancel.readToEnd() == [])
            let answer = try client.read(until: BackendKind.readyForQuery)
            #expect(answer.first { $0.kind == BackendKind.errorResponse }?.field("C") == "57014")

            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive("direct", event: "PgSleep")
            client.close()
            #expect(try pgleash.reapedLine("direct")["outcome"] == "cancelled")
            #expect(listener.between.openings.count >= 4)
            for opening in listener.between.openings {
                #expect(opening.bytes.starts(with: [0x16, 0x03]))
                #expect(opening.contains([10] + Array("postgresql".utf8)))
                #expect(!opening.contains(client.key))
            }
            pgleash.stop()
        }

        @Test func `the certificate counts as ever`() throws {
            let ways: [(Certificates.Server, ServerWay)] = [
                (.wrongName, .mismatch("localhost")), (.expired, .unverified("certificate has expired")),
            ]
            for (certificate, way) in ways {
                let listener = try Listener(certificate)
                let pgleash = try startPgleash(listener, "verify-full")
                #expect(try pgleash.wayToServer() == way)
                pgleash.stop()
            }
        }

        @Test func `a server that doesn't say which protocol follows is refused, as libpq has it`() throws {
            let listener = try Listener(protocols: [])
            let pgleash = try startPgleash(listener, "require")
            let reason = "direct SSL connection was established without ALPN protocol negotiation extension"
            #expect(try pgleash.wayToServer() == .insecure(reason))
            pgleash.stop()
        }
    }
}
