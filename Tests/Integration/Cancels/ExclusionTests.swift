// Sessions that are excluded from cancelling, and queries with a grace.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Where sessions are excluded or have a grace` {
        private let postgres = PrivatePostgres.shared
        private static let name = "left out"

        @Test(
            arguments: [
                ("exclude_user = somebody, postgres", [(String, String)]()),
                ("exclude_database = postgres", []),
                ("exclude_application_name = x,left out", []),
                ("", [("options", "-c pgleash.cancel=off")]),
                ("", [("pgleash.cancel", "off")]),
            ])
        func `what they left runs on, as without pgleash, and is counted`(
            setting: String, parameters: [(String, String)]
        ) throws {
            let pgleash = try PgleashProcess(configuration: ["cancel": [setting]])
            defer { try? postgres.terminate(Self.name) }
            let client = try pgleash.connect(name: Self.name, parameters: parameters)
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive(Self.name, event: "PgSleep")
            client.close()
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["drops_total", "fin"] == 1)
            #expect(report["orphans_total", "excluded"] == 1)
            #expect(report.sum("orphans_total") == 1)
            rest(.milliseconds(200))
            #expect(try pgleash.report().sum("cancels_sent_total") == 0)
            #expect(try postgres.backends(Self.name, state: "active") == 1)
            let line = try pgleash.reapedLine(Self.name, saying: "session excluded: not cancelled")
            #expect(line["outcome"] == "excluded")
            pgleash.stop()
        }

        /// Names whose text differs from their bytes: longer than the 63 bytes that PostgreSQL keeps, or with
        /// characters that a log must not contain.
        private static let longUser = String(repeating: "u", count: 70)
        /// 69 bytes; the first one is ASCII, as PostgreSQL cuts this name at a byte, which must be the end of a
        /// character.
        private static let longDatabase = "d" + String(repeating: "ж", count: 34)

        @Test(
            arguments: [
                ("exclude_user", longUser), ("exclude_database", longDatabase),
                ("exclude_application_name", String(repeating: "n", count: 70)),
                ("exclude_application_name", String(repeating: "ж", count: 34)),
                ("exclude_application_name", "tab\there"),
            ])
        func `long and odd names are matched as they are sent`(setting: String, name: String) throws {
            try postgres.query("CREATE ROLE \"\(Self.longUser)\" LOGIN SUPERUSER")
            try postgres.query("CREATE DATABASE \"\(Self.longDatabase)\"")
            defer {
                _ = try? postgres.query("DROP DATABASE \"\(Self.longDatabase)\" WITH (FORCE)")
                _ = try? postgres.query("DROP ROLE \"\(Self.longUser)\"")
            }
            let pgleash = try PgleashProcess(configuration: ["cancel": ["\(setting) = \(name)"]])
            let client = try RawClient(port: pgleash.port)
            try client.send(
                Frontend.startup(
                    user: setting == "exclude_user" ? name : "postgres",
                    database: setting == "exclude_database" ? name : "postgres",
                    name: setting == "exclude_application_name" ? name : "odd"
                )
            )
            try client.read(until: BackendKind.readyForQuery)
            try client.send(Frontend.query("SELECT pg_sleep(600) /* left out */"))
            let isRunning = "state = 'active' AND query LIKE '%/* left out */' AND pid <> pg_backend_pid()"
            try wait(for: "the query") { try postgres.count(isRunning) == 1 }
            client.close()
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["orphans_total", "excluded"] == 1 && report.sum("orphans_total") == 1)
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(try postgres.count(isRunning) == 1)
            #expect(!pgleash.log.contains("\u{fffd}"), "names are cut between letters")
            try postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE \(isRunning)")
            pgleash.stop()
        }

        @Test func `others are cancelled as ever`() throws {
            let pgleash = try PgleashProcess(
                configuration: ["cancel": ["exclude_user = other", "exclude_application_name = left out"]]
            )
            let client = try pgleash.connectBusy(name: "not left out")
            client.close()
            #expect(try pgleash.reapedLine("not left out")["outcome"] == "cancelled")
            pgleash.stop()
        }

        @Test func `the setting a client opts out with passes to the server`() throws {
            let pgleash = try PgleashProcess()
            let client = try LibpqClient(
                "host=127.0.0.1 port=\(pgleash.port) user=postgres options='-c pgleash.cancel=off'"
            )
            #expect(try client.query("SHOW pgleash.cancel") == [["off"]])
            pgleash.stop()
        }

        @Test func `no grace outlives pgleash`() throws {
            let pgleash = try PgleashProcess(configuration: ["cancel": ["grace = 20s"]])
            let here = try pgleash.connectBusy(name: "here")
            try pgleash.connectBusy(name: "left").close()
            try pgleash.waitForReport("an orphan") { $0["orphans_active"] == 1 }
            pgleash.process.send(SIGTERM)
            #expect(try pgleash.process.wait(within: .seconds(8)) == .code(0))
            for name in ["here", "left"] {
                #expect(try postgres.timeUntilGone(name) < .seconds(1))
                #expect(try pgleash.reapedLine(name)["outcome"] == "cancelled")
            }
            #expect(!pgleash.log.contains("not all sessions ended in time"))
            withExtendedLifetime(here) {}
        }

        @Test func `a query may end by itself in its grace, and is cancelled after it`() throws {
            let pgleash = try PgleashProcess(configuration: ["cancel": ["grace = 400ms"]])
            let brief = try pgleash.connectBusy(name: "brief", bytes: Frontend.query("SELECT pg_sleep(0.3)"))
            let long = try pgleash.connectBusy(name: "long")
            brief.close()
            long.close()
            let time = try timed { _ = try postgres.timeUntilGone("long") }
            #expect((.milliseconds(390)...(.milliseconds(1400))).contains(time))
            #expect(try pgleash.reapedLine("brief")["outcome"] == "finished")
            #expect(try pgleash.reapedLine("brief")["attempts"] == "0")
            #expect(try pgleash.reapedLine("long")["outcome"] == "cancelled")
            pgleash.stop()
        }
    }
}
