// The connections to pgleash and to the server: IPv4, IPv6, names, Unix sockets; and the refusal of encryption.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `pgleash serves` {
        private let postgres = PrivatePostgres.shared

        private static let hasIPv6 =
            (readText("/proc/net/if_inet6") ?? "").contains(
                String(repeating: "0", count: 31) + "1 "
            )

        /// A session over `host` and pgleash's port works, and a client that leaves has its query cancelled.
        private func check(_ pgleash: PgleashProcess, host: String, name: String) throws {
            let target = "host=\(host) port=\(pgleash.port) user=postgres dbname=postgres application_name=\(name)"
            #expect(try LibpqClient(target).query("SELECT 1") == [["1"]])
            let psql = try ChildProcess(
                Programs.postgres("psql"), ["-X", "-d", target, "-c", "SELECT pg_sleep(600)"]
            )
            try postgres.waitForActive(name, event: "PgSleep")
            psql.send(SIGKILL)
            #expect(try postgres.timeUntilGone(name) < .seconds(1))
            #expect(try pgleash.reapedLine(name)["outcome"] == "cancelled")
        }

        @Test func `over Unix sockets on both sides`() throws {
            let folder = RunFolder.shared.newFolder("sockets")
            let pgleash = try PgleashProcess(
                server: nil, listen: nil,
                configuration: [
                    "listen": ["host = \(folder), 127.0.0.1", "port = PORT"],
                    "server": ["host = \(postgres.socketFolder)", "port = \(postgres.port)"],
                ]
            )
            try check(pgleash, host: folder, name: "unix-to-unix")
            try check(pgleash, host: "127.0.0.1", name: "tcp-to-unix")
            let raw = try RawClient(path: "\(folder)/.s.PGSQL.\(pgleash.port)")
            try raw.startUp(name: "raw")
            #expect(try pgleash.report().sessions.first?["client"] == "local")
            pgleash.stop()
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/.s.PGSQL.\(pgleash.port)"))
        }

        @Test(.enabled(if: hasIPv6, "this machine has no IPv6 loopback address"))
        func `over IPv6 on both sides`() throws {
            let pgleash = try PgleashProcess(server: "[::1]:\(postgres.port)", listen: "[::1]:PORT")
            try check(pgleash, host: "::1", name: "six")
            #expect(throws: LibpqError.self) { try LibpqClient(port: pgleash.port) }
            pgleash.stop()
        }

        @Test(arguments: [
            ("localhost, 127.0.0.1", "127.0.0.1"), ("127.0.0.1, 127.0.0.1", "127.0.0.1"), ("*, 127.0.0.1", "0.0.0.0"),
            ("127.0.0.1, *", "0.0.0.0"), ("*, *", "0.0.0.0"),
        ])
        func `on an address that is given twice once, with a warning`(hosts: String, kept: String) throws {
            let pgleash = try PgleashProcess(
                server: postgres.address, listen: nil, configuration: ["listen": ["host = \(hosts)", "port = PORT"]]
            )
            #expect(try LibpqClient(port: pgleash.port).query("SELECT 1") == [["1"]])
            let warnings = try pgleash.waitForLogLines("listen address not needed: another one covers it")
            #expect(
                warnings.contains { Report.fields($0)["covered_by"] == "\(kept):\(pgleash.port)" }, "\(pgleash.log)")
            #expect(try pgleash.waitForLogLines(" started").first?.contains("\(kept):\(pgleash.port)") == true)
            pgleash.stop()
        }

        @Test func `on no address that another process listens on, as if it were given twice`() throws {
            let other = try FakeServer()
            let setting = "[listen]\nhost = 127.0.0.2, 127.0.0.1\nport = \(other.port)\n"
            let file = try RunFolder.shared.newFile("taken.conf", setting)
            let run = try ChildProcess.run(Programs.pgleash, ["--config", file])
            #expect(run.exit == .code(1))
            #expect(run.error.contains("could not listen on \(other.address): Address already in use"))
        }

        @Test func `over the name localhost on both sides`() throws {
            let pgleash = try PgleashProcess(server: "localhost:\(postgres.port)", listen: "localhost:PORT")
            try check(pgleash, host: "localhost", name: "named")
            pgleash.stop()
        }

        @Test func `on all of the machine's addresses`() throws {
            let pgleash = try PgleashProcess(server: postgres.address, listen: "*:PORT")
            try check(pgleash, host: "127.0.0.1", name: "all-four")
            try check(pgleash, host: "127.0.0.9", name: "all-other")
            if Self.hasIPv6 { try check(pgleash, host: "::1", name: "all-six") }
            pgleash.stop()
        }

        @Test func `with the first of several servers that answers`() throws {
            let pgleash = try PgleashProcess(
                server: nil,
                configuration: ["server": ["host = /no/such/folder, 127.0.0.9, 127.0.0.1", "port = \(postgres.port)"]]
            )
            try check(pgleash, host: "127.0.0.1", name: "third")
            #expect(try pgleash.report()["connect_failures_total"] == 0)
            pgleash.stop()
        }

        @Test func `without encryption, which is refused once each, in either order`() throws {
            let pgleash = try PgleashProcess()
            let (ssl, gss) = (Frontend.sslRequest, Frontend.gssEncryptionRequest)
            for requests in [[ssl], [gss], [ssl, gss], [gss, ssl]] {
                let client = try RawClient(port: pgleash.port)
                for request in requests {
                    try client.send(request)
                    #expect(try client.receive() == [UInt8(ascii: "N")])
                }
                #expect(try client.startUp(name: "plain").last?.kind == BackendKind.readyForQuery)
            }
            let insisting = try RawClient(port: pgleash.port)
            try insisting.send(ssl)
            #expect(try insisting.receive() == [UInt8(ascii: "N")])
            try insisting.send(ssl)
            let error = try insisting.readMessage()
            #expect(error.field("C") == "0A000")
            #expect(error.field("M").hasPrefix("unsupported frontend protocol 1234.5679"))
            #expect(try insisting.readToEnd() == [])
            pgleash.stop()
        }

        @Test func `without encryption a client that prefers it, and refuses one that requires it`() throws {
            let pgleash = try PgleashProcess()
            func psql(_ sslMode: String) throws -> (exit: Exit, output: String, error: String) {
                try ChildProcess.run(
                    Programs.postgres("psql"),
                    ["-X", "-h", "127.0.0.1", "-p", "\(pgleash.port)", "-U", "postgres", "-Atc", "SELECT 'plain'"],
                    environment: ["PGSSLMODE": sslMode, "PGGSSENCMODE": "prefer"]
                )
            }
            #expect(try psql("prefer").output == "plain\n")
            let refused = try psql("require")
            #expect(refused.exit == .code(2))
            #expect(refused.error.contains("server does not support SSL, but SSL was required"))
            pgleash.stop()
        }

        @Test func `on a socket file that was left behind, and on none in use`() throws {
            let folder = RunFolder.shared.newFolder("stale")
            let first = try PgleashProcess(server: postgres.address, listen: "\(folder):PORT")
            let path = "\(folder)/.s.PGSQL.\(first.port)"
            first.process.kill()
            #expect(FileManager.default.fileExists(atPath: path))
            #expect(throws: RawClientError.failed(ECONNREFUSED)) { try RawClient(path: path) }

            let second = try ChildProcess(
                Programs.pgleash, ["--listen", "\(folder):\(first.port)", "--server", postgres.address]
            )
            try wait(for: "the second start") { second.errorOutput.contains(" started\"") }
            let client = try RawClient(path: path)
            try client.startUp(name: "second")

            let third = try ChildProcess(
                Programs.pgleash, ["--listen", "\(folder):\(first.port)", "--server", postgres.address]
            )
            #expect(try third.wait() == .code(1))
            #expect(third.errorOutput == "pgleash: could not listen on \(path): Address already in use\n")
            try client.send(Frontend.query("SELECT 1"))
            #expect(try client.read(until: BackendKind.readyForQuery).map(\.kind) == Array("TDCZ".utf8))
            second.send(SIGTERM)
            #expect(try second.wait() == .code(0))
        }
    }
}
