// Logins through pgleash to a server with TLS, by clients without it: every method, and the server's view of it.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `With TLS to the server alone` {
        private let postgres = PrivatePostgres.encrypting

        private func startPgleash(_ tls: String...) throws -> PgleashProcess {
            try PgleashProcess(serverPort: postgres.port, tls: tls)
        }

        private func connect(_ pgleash: PgleashProcess, user: String, more: String = "") throws -> LibpqClient {
            let target = "host=127.0.0.1 port=\(pgleash.port) dbname=postgres \(more)"
            return try LibpqClient("\(target) user=\(user) password='\(PrivatePostgres.password)'")
        }

        /// The user and the encryption in the server's view.
        private static let question = """
            SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()
            """

        private static let methods = ["postgres": "trust", "asked": "password", "hashed": "md5", "scrambled": "SCRAM"]

        @Test(arguments: methods.keys.sorted())
        func `libpq logs in with every method, and its password is nowhere to be read`(_ user: String) throws {
            let pgleash = try PgleashProcess(
                serverPort: postgres.port, tls: ["sslmode = require"], more: ["pgleash": ["log_level = trace"]]
            )
            #expect(try connect(pgleash, user: user).query(Self.question) == [[user, "t"]])
            if user != "postgres" {
                let target = "host=127.0.0.1 port=\(pgleash.port) user=\(user) dbname=postgres password=wrong"
                let error = #expect(throws: LibpqError.self) { try LibpqClient(target) }
                #expect(error?.description.contains("password authentication failed for user \"\(user)\"") == true)
            }
            #expect(!(pgleash.log + (try pgleash.report()).text).contains(PrivatePostgres.password))
            pgleash.stop()
        }

        @Test(arguments: ["psycopg", "asyncpg"])
        func `other drivers log in with every method`(_ driver: String) throws {
            let pgleash = try startPgleash("sslmode = require")
            let users = Self.methods.keys.sorted()
            let run = try ChildProcess.run(
                Programs.debian("python3"), ["\(Programs.sources)/login_client.py"] + users,
                environment: [
                    "DRIVER": driver, "PGHOST": "127.0.0.1", "PGPORT": "\(pgleash.port)", "PGDATABASE": "postgres",
                    "PGPASSWORD": PrivatePostgres.password, "PGSSLMODE": "disable",
                ]
            )
            #expect(run.output == users.map { $0 + "\n" }.joined(), "\(run.error)")
            pgleash.stop()
        }

        @Test func `a plain client is offered SCRAM-SHA-256 alone, however its server is spoken to`() throws {
            for mode in ["disable", "prefer", "require"] {
                let pgleash = try startPgleash("sslmode = \(mode)")
                let client = try RawClient(port: pgleash.port)
                try client.send(Frontend.startup(user: "scrambled", name: "offered"))
                // AuthenticationSASL, and a list of names with a zero after each and one more after the last.
                let offer = message("R", int32(10) + Array("SCRAM-SHA-256\0\0".utf8))
                #expect(try client.readBytes(offer.count) == offer)
                client.close()
                pgleash.stop()
            }
        }

        @Test func `a plain client that insists on channel binding gets libpq's own error`() throws {
            let pgleash = try startPgleash("sslmode = require")
            let words = [
                "scrambled": "channel binding required, but SSL not in use",
                "hashed": "channel binding required but not supported by server's authentication request",
            ]
            for (user, words) in words {
                let error = #expect(throws: LibpqError.self) {
                    try connect(pgleash, user: user, more: "channel_binding=require")
                }
                #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
            }
            #expect(try connect(pgleash, user: "scrambled", more: "channel_binding=prefer").isConnected)
            pgleash.stop()
        }

        @Test func `a server that asks for a certificate gets pgleash's`() throws {
            let files = Certificates.shared
            let certificate = ["sslcert = \(files.client)", "sslkey = \(files.clientKey)"]
            let sql = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            for mode in ["prefer", "require"] {
                let pgleash = try PgleashProcess(
                    serverPort: postgres.port, tls: ["sslmode = \(mode)"] + certificate
                )
                #expect(try LibpqClient(port: pgleash.port, database: "template1").query(sql) == [["/CN=postgres"]])
                pgleash.stop()
            }
            let without = try startPgleash("sslmode = require")
            let error = #expect(throws: LibpqError.self) {
                try LibpqClient(port: without.port, database: "template1")
            }
            #expect(error?.description.contains("connection requires a valid client certificate") == true)
            without.stop()
        }

        @Test func `a server's error about pgleash's certificate is sent to the client and logged`() throws {
            let files = Certificates.shared
            let pgleash = try startPgleash(
                "sslmode = require", "sslcert = \(files[.unknownAuthority])", "sslkey = \(files.serverKey)"
            )
            let error = #expect(throws: LibpqError.self) { try LibpqClient(port: pgleash.port) }
            let reason = "failed: SSL error: tlsv1 alert unknown ca"
            #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
            try wait(for: "the log line") { !pgleash.logLines(reason).isEmpty }
            #expect(try pgleash.report()["connect_failures_total"] == 1)
            pgleash.stop()
        }

        @Test func `a server that lets in over TLS alone does so`() throws {
            for mode in ["prefer", "require"] {
                let pgleash = try startPgleash("sslmode = \(mode)")
                let client = try connect(pgleash, user: "encrypted")
                #expect(try client.query(Self.question) == [["encrypted", "t"]])
                #expect(try pgleash.report().sessions.map { $0["ssl"] } == ["server"])
                pgleash.stop()
            }
            let plain = try startPgleash("sslmode = disable")
            let error = #expect(throws: LibpqError.self) { try connect(plain, user: "encrypted") }
            #expect(error?.description.contains("no encryption") == true, "\(error?.description ?? "")")
            plain.stop()
        }
    }
}
