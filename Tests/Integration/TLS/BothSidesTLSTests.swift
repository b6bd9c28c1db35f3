// TLS on both sides: logins with channel binding, and pgleash in front of pgleash.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `With TLS on both sides` {
        private static let files = Certificates.shared
        private static let advice = "set channel_binding=disable in the client"
        private static let users = ["postgres", "asked", "hashed", "scrambled"]
        private static let verified = ["sslmode = verify-full", "sslrootcert = \(files.authority)"]

        private func logIn(_ pgleash: PgleashProcess, _ user: String, _ more: String) throws -> LibpqClient {
            try pgleash.connectEncrypted("user=\(user) password='\(PrivatePostgres.password)' \(more)")
        }

        @Test(arguments: users) func `every login works with the server's own certificate`(_ user: String) throws {
            let pgleash = try PgleashProcess(listening: "require", server: Self.verified)
            let client = try logIn(pgleash, user, "")
            #expect(client.isEncrypted)
            let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            #expect(try client.query(ssl) == [["t"]])
            #expect(try pgleash.report().sessions.map { $0["ssl"] } == ["both"])
            if user == "scrambled" {
                #expect(try logIn(pgleash, user, "channel_binding=require").query(ssl) == [["t"]])
            }
            #expect(pgleash.logLines(Self.advice).isEmpty)
            pgleash.stop()
        }

        @Test func `SCRAM works with another certificate without channel binding, and the log says so once`() throws {
            let pgleash = try PgleashProcess(listening: "require", certificate: .revoked, server: Self.verified)
            for user in Self.users where user != "scrambled" {
                #expect(try logIn(pgleash, user, "").query("SELECT 1") == [["1"]])
            }
            for more in ["", "channel_binding=prefer", "channel_binding=require"] {
                let error = #expect(throws: LibpqError.self) { try logIn(pgleash, "scrambled", more) }
                #expect(error?.description.contains("SCRAM channel binding check failed") == true)
            }
            #expect(try logIn(pgleash, "scrambled", "channel_binding=disable").query("SELECT 1") == [["1"]])
            #expect(try pgleash.waitForLogLines(Self.advice).count == 1)
            #expect(!pgleash.log.contains(PrivatePostgres.password))
            pgleash.stop()
        }

        @Test func `a wrong password is not mistaken for a failure of channel binding`() throws {
            let pgleash = try PgleashProcess(listening: "require", certificate: .revoked, server: Self.verified)
            let error = #expect(throws: LibpqError.self) {
                try pgleash.connectEncrypted("user=scrambled password=wrong channel_binding=disable")
            }
            #expect(error?.description.contains("password authentication failed") == true)
            #expect(pgleash.logLines(Self.advice).isEmpty)
            pgleash.stop()
        }

        @Test(arguments: users) func `a client on TLS gets in to a server without`(_ user: String) throws {
            let pgleash = try PgleashProcess(listening: "require", server: ["sslmode = disable"])
            let client = try logIn(pgleash, user, "")
            #expect(try client.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [["f"]])
            #expect(client.isEncrypted)
            #expect(try pgleash.report().sessions.map { $0["ssl"] } == ["client"])
            if user == "scrambled" {
                let error = #expect(throws: LibpqError.self) { try logIn(pgleash, user, "channel_binding=require") }
                #expect(error?.description.contains("channel binding") == true)
            }
            pgleash.stop()
        }

        /// `direct` needs PostgreSQL 17; another pgleash supports it, too.
        @Test(arguments: ["postgres", "direct"]) func `pgleash gets through to pgleash, and so do its cancels`(
            _ negotiation: String
        ) throws {
            let far = try PgleashProcess(listening: "require", ["ssl_ca_file = \(Self.files.authority)"])
            let identity = ["sslcert = \(Self.files.client)", "sslkey = \(Self.files.clientKey)"]
            let near = try PgleashProcess(
                serverPort: far.port, tls: Self.verified + identity + ["sslnegotiation = \(negotiation)"]
            )
            let name = "through-two-\(negotiation)"
            let psql = try ChildProcess(
                Programs.postgres("psql"),
                [
                    "-X", "-c", "SELECT pg_sleep(600)", "-d",
                    "host=127.0.0.1 port=\(near.port) user=postgres dbname=postgres application_name=\(name)",
                ]
            )
            try PrivatePostgres.shared.waitForActive(name, event: "PgSleep")
            psql.send(SIGKILL)
            #expect(try PrivatePostgres.shared.timeUntilGone(name) < .seconds(1))
            #expect(try near.reapedLine(name)["outcome"] == "cancelled")
            #expect(try far.report()["sessions_ended_total", "ssl_required"] == 0)
            near.stop()
            far.stop()
        }
    }
}
