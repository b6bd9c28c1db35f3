// The log lines about sessions: their current names, their beginning and end, and the number of many.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A session in the log` {
        private let postgres = PrivatePostgres.shared

        private func rename(_ client: RawClient, to name: String) throws {
            try client.send(Frontend.query("SET application_name = '\(name)'"))
            try client.read(until: BackendKind.readyForQuery)
        }

        private func leaveBusy(_ client: RawClient, _ name: String) throws {
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive(name, event: "PgSleep")
            client.close()
        }

        @Test func `has the application_name of that moment, in the report too`() throws {
            let pgleash = try PgleashProcess()
            let client = try pgleash.connect(name: "at first")
            try rename(client, to: "orders-svc")
            #expect(try pgleash.report().sessions.map { $0["application_name"] } == ["orders-svc"])
            try leaveBusy(client, "orders-svc")
            let line = try pgleash.reapedLine("orders-svc")
            #expect(line["outcome"] == "cancelled")
            #expect(line["server"] == postgres.address)
            #expect(Double(line["query_ms"] ?? "").map { $0 > 0 } == true)
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            let orphan = report.text.split(separator: "\n").first { $0.hasPrefix("# orphan time=") }
            #expect(orphan?.contains("application_name=orders-svc") == true)
            pgleash.stop()
        }

        @Test func `is excluded by the application_name of that moment`() throws {
            let pgleash = try PgleashProcess(configuration: ["cancel": ["exclude_application_name = nightly"]])
            let later = try pgleash.connect(name: "web")
            try rename(later, to: "nightly")
            try leaveBusy(later, "nightly")
            defer { try? postgres.terminate("nightly") }
            let line = try pgleash.reapedLine("nightly", saying: "session excluded: not cancelled")
            #expect(line["outcome"] == "excluded")
            #expect(try postgres.backends("nightly", state: "active") == 1)

            let before = try pgleash.connect(name: "nightly")
            try rename(before, to: "daily")
            try leaveBusy(before, "daily")
            #expect(try pgleash.reapedLine("daily")["outcome"] == "cancelled")
            pgleash.stop()
        }

        @Test func `has its beginning and end logged where they are to be`() throws {
            let settings = ["log_connections = on", "log_disconnections = on"]
            let pgleash = try PgleashProcess(configuration: ["pgleash": settings])
            try pgleash.connect(name: "visible").leave(.terminate)
            let end = try wait(for: "the end") { pgleash.logLines("msg=disconnection").first }
            let received = try #require(pgleash.logLines(#"msg="connection received""#).first)
            let authorized = try #require(pgleash.logLines(#"msg="connection authorized""#).first)
            #expect(Report.fields(received)["client"] == Report.fields(end)["client"])
            let fields = Report.fields(authorized)
            #expect(fields["application_name"] == "visible")
            #expect(fields["server"] == postgres.address)
            #expect(fields["ssl"] == "none")
            #expect(Report.fields(end)["reason"] == "client_terminated")
            #expect(Double(Report.fields(end)["session_ms"] ?? "").map { $0 > 0 } == true)
            pgleash.stop()
        }

        @Test func `leaves no line by default, however it ends`() throws {
            let pgleash = try PgleashProcess()
            try pgleash.waitForProbe()
            let log = pgleash.log
            try pgleash.connect(name: "quiet").leave(.terminate)
            try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(pgleash.log == log)
            pgleash.stop()
        }

        @Test func `is one of many in one line when the server ends them all`() throws {
            let pgleash = try PgleashProcess(arguments: ["--workers", "3"])
            let clients = try (0..<30).map { _ in try pgleash.connect(name: "many") }
            try postgres.terminate("many")
            try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            try wait(for: "the line") { !pgleash.logLines("server closed").isEmpty }
            rest(.milliseconds(1_200))
            let counts = pgleash.logLines("server closed").map { Int(Report.fields($0)["sessions"] ?? "") ?? 1 }
            #expect(counts.reduce(0, +) == 30)
            #expect(counts.count <= 2)
            withExtendedLifetime(clients) { pgleash.stop() }
        }

        @Test func `with a misspelt pgleash setting is warned of`() throws {
            let pgleash = try PgleashProcess()
            let client = try pgleash.connect(name: "job", parameters: [("options", "-c pgleash.cancle=off")])
            let line = try wait(for: "the warning") { pgleash.logLines("unknown pgleash setting").first }
            #expect(line.contains("level=warning"))
            #expect(Report.fields(line)["application_name"] == "job")
            #expect(line.contains("pgleash.cancle=off"))
            client.close()
            pgleash.stop()
        }
    }
}
