// Clients that begin with TLS at once, without an SSLRequest, and whose TLS is passed through to the server.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite(.enabled(if: Programs.postgresVersion >= 17, "the server and psql have direct TLS from version 17 on"))
    struct `With direct TLS passed through` {
        private let postgres = PrivatePostgres.encrypting

        private func psql(
            _ pgleash: PgleashProcess, _ command: String, user: String, name: String, _ more: String = ""
        ) throws -> ChildProcess {
            let place = "host=localhost hostaddr=127.0.0.1 port=\(pgleash.port) user=\(user) dbname=postgres"
            let trust = "sslmode=verify-full sslrootcert=\(Certificates.shared.authority) sslnegotiation=direct"
            return try ChildProcess(
                Programs.postgres("psql"),
                ["-X", "-At", "-d", "\(place) \(trust) application_name=\(name) \(more)", "-c", command],
                environment: ["PGPASSWORD": PrivatePostgres.password]
            )
        }

        @Test(arguments: [("encrypted", ""), ("scrambled", "channel_binding=require")])
        func `psql checks the server's certificate, and its session is encrypted end to end`(
            _ user: String, _ more: String
        ) throws {
            let pgleash = try PgleashProcess.passingThrough(to: postgres)
            let question = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            let psql = try psql(pgleash, question, user: user, name: "direct", more)
            #expect(try psql.wait() == .code(0), "\(psql.errorOutput)")
            #expect(psql.output == "t\n")
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("drops_total") == 0 && report["backends_terminated_total"] == 0)
            pgleash.stop()
        }

        @Test func `psql refuses a certificate with another name`() throws {
            let pgleash = try PgleashProcess.passingThrough(to: postgres)
            try postgres.whileShowing(.wrongName) {
                let psql = try psql(pgleash, "SELECT 1", user: "encrypted", name: "direct")
                #expect(try psql.wait() == .code(2))
                #expect(psql.errorOutput.contains("does not match host name \"localhost\""), "\(psql.errorOutput)")
            }
            pgleash.stop()
        }

        @Test func `what a killed psql leaves is ended at once`() throws {
            let pgleash = try PgleashProcess.passingThrough(to: postgres)
            for number in 1...5 {
                let name = "direct-\(number)"
                let psql = try psql(pgleash, "SELECT pg_sleep(600)", user: "encrypted", name: name)
                try postgres.waitForActive(name, event: "PgSleep")
                psql.send(SIGKILL)
                let time = try postgres.timeUntilGone(name)
                #expect(time < .milliseconds(250), "\(time)")
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["orphans_total", "terminated"] == 5 && report.sum("orphans_total") == 5)
            pgleash.stop()
        }

        /// psql sends the CancelRequest in clear text, as libpq did before 17.
        @Test func `Ctrl-C in psql cancels its query`() throws {
            let pgleash = try PgleashProcess.passingThrough(to: postgres)
            let psql = try psql(pgleash, "SELECT pg_sleep(600)", user: "encrypted", name: "interrupted")
            try postgres.waitForActive("interrupted", event: "PgSleep")
            psql.send(SIGINT)
            #expect(try psql.wait() == .code(1))
            #expect(psql.errorOutput.contains("canceling statement due to user request"), "\(psql.errorOutput)")
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["backends_terminated_total"] == 0)
            pgleash.stop()
        }
    }
}
