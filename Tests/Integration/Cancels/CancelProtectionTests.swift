// The protection of a cancel, which is that of its session, as seen on the wire: its key is as sensitive as a password
// until the session ends.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A cancel` {
        private let postgres = PrivatePostgres.encrypting
        private let between: PassThrough

        init() throws {
            between = try PassThrough(to: PrivatePostgres.encrypting.port)
        }

        private func startPgleash(
            _ mode: String, host: String = "localhost", more: [String: [String]] = [:]
        ) throws -> PgleashProcess {
            var tls = ["sslmode = \(mode)"]
            if mode.hasPrefix("verify") { tls.append("sslrootcert = \(Certificates.shared.authority)") }
            let pgleash = try PgleashProcess(serverPort: between.port, host: host, tls: tls, more: more)
            try pgleash.waitForProbe()
            return pgleash
        }

        private func connectBusy(_ pgleash: PgleashProcess, _ name: String) throws -> RawClient {
            try pgleash.connectBusy(name: name, server: postgres)
        }

        /// All bytes on the wire were TLS, or the request for it, and neither a CancelRequest nor the key was readable.
        private func expectProtected(_ openings: [PassThrough.Opening], _ key: [UInt8]) {
            for opening in openings {
                #expect(opening.isEncrypted || opening.bytes == Frontend.sslRequest)
                #expect(!opening.contains(Array(Frontend.cancelRequest([]).dropFirst(4))))
                #expect(!opening.contains(key))
            }
        }

        @Test(arguments: ["prefer", "require", "verify-ca", "verify-full"])
        func `goes over TLS where its session does`(_ mode: String) throws {
            let pgleash = try startPgleash(mode)
            let logged = postgres.cancelsLogged
            let client = try connectBusy(pgleash, "protected")
            let before = between.openings.count
            client.close()
            #expect(try postgres.timeUntilGone("protected") < .seconds(5))
            let reaped = try pgleash.reapedLine("protected")
            #expect(reaped["outcome"] == "cancelled")
            let attempts = Int(reaped["attempts"] ?? "") ?? 0
            try wait(for: "the cancel in the server's log") { postgres.cancelsLogged >= logged + attempts }
            let report = try pgleash.report()
            #expect(report.sum("cancels_sent_total") == attempts)
            #expect(report["cancels_unprotected_total"] == 0)
            // A cancel that was withdrawn during its connection attempt may have begun TLS.
            #expect(between.openings.dropFirst(before).count(where: \.isEncrypted) >= attempts)
            expectProtected(between.openings, client.key)
            pgleash.stop()
        }

        @Test(arguments: ["prefer", "require", "verify-full"])
        func `is not sent when the server encrypts no more, and that is counted`(_ mode: String) throws {
            let pgleash = try startPgleash(mode, more: ["cancel": ["timeout = 1s"]])
            let logged = postgres.cancelsLogged
            let client = try connectBusy(pgleash, "unprotected")
            between.refuseEncryption()
            client.close()
            #expect(try pgleash.reapedLine("unprotected", saying: "giving up")["attempts"] != nil)
            let report = try pgleash.report()
            #expect(report["cancels_unprotected_total"] > 0)
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report["orphans_total", "gave_up"] == 1)
            let refused = between.openings.filter(\.isRefusedEncryption)
            #expect(refused.count == report["cancels_unprotected_total"])
            for opening in refused { #expect(opening.bytes == Frontend.sslRequest) }
            let reason = "server does not support SSL, but SSL was required"
            #expect(try pgleash.waitForLogLines("cancel not sent").first?.contains(reason) == true)
            #expect(postgres.cancelsLogged == logged)
            try postgres.terminate("unprotected")
            pgleash.stop()
        }

        // A name can resolve to several servers, which is another reason to store the route of each key.
        @Test(arguments: [("prefer", "127.0.0.1"), ("prefer", "localhost"), ("require", "127.0.0.1")])
        func `that a client sends is as protected as its session`(mode: String, host: String) throws {
            let pgleash = try startPgleash(mode, host: host)
            let client = try LibpqClient(port: pgleash.port, name: "cancelling")
            try client.expectCancel(in: postgres, name: "cancelling")
            #expect(try pgleash.report()["client_cancels_relayed_total"] == 1)
            #expect(between.openings.count == 3)
            expectProtected(between.openings, [])

            // If it cannot be protected, it is not sent.
            try client.fallAsleep(in: postgres, name: "cancelling")
            between.refuseEncryption()
            #expect(client.requestCancel())
            let report = try pgleash.waitForReport("what was kept back") { $0["cancels_unprotected_total"] == 1 }
            #expect(report["client_cancels_relayed_total"] == 1)
            #expect(between.openings.last?.bytes == Frontend.sslRequest)
            #expect(try postgres.backends("cancelling", state: "active") == 1)
            try postgres.terminate("cancelling")
            pgleash.stop()
        }

        @Test func `of a plain session is plain, pgleash's and the client's`() throws {
            between.refuseEncryption()
            let pgleash = try startPgleash("prefer")
            let client = try connectBusy(pgleash, "open")
            let cancel = try RawClient(port: pgleash.port)
            try cancel.send(Frontend.cancelRequest(client.key))
            #expect(try cancel.readToEnd() == [])
            let answer = try client.read(until: BackendKind.readyForQuery)
            #expect(answer.first { $0.kind == BackendKind.errorResponse }?.field("C") == "57014")
            #expect(between.openings.last?.bytes == Frontend.cancelRequest(client.key))

            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive("open", event: "PgSleep")
            client.close()
            #expect(try pgleash.reapedLine("open")["outcome"] == "cancelled")
            #expect(between.openings.last?.bytes == Frontend.cancelRequest(client.key))
            #expect(try pgleash.report()["cancels_unprotected_total"] == 0)
            pgleash.stop()
        }

        @Test func `by psql's Ctrl-C works over TLS to the server`() throws {
            let pgleash = try startPgleash("verify-full")
            let terminal = try Terminal()
            let target = "host=127.0.0.1 port=\(pgleash.port) user=postgres dbname=postgres application_name=typed"
            let psql = try ChildProcess(Programs.postgres("psql"), ["-X", "-d", target], terminal: terminal)
            try terminal.wait(for: "=#")
            try terminal.interruptQuery(of: "typed", on: postgres)
            terminal.close()
            try psql.wait()
            #expect(try pgleash.report()["client_cancels_relayed_total"] == 1)
            for opening in between.openings { #expect(opening.isEncrypted) }
            pgleash.stop()
        }
    }
}
