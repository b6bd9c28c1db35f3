// What the monitor cancels and ends, and what it leaves alone.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A monitor` {
        private let postgres = MonitoredServer.postgres

        /// Leaves while the server sleeps in one of the requests.
        private func leave(
            _ pgleash: PgleashProcess, name: String, as user: String = MonitoredServer.client,
            on server: PrivatePostgres = MonitoredServer.postgres,
            _ requests: [UInt8] = Frontend.query("SELECT pg_sleep(600)")
        ) throws {
            let client = try pgleash.connectClient(name: name, as: user)
            try client.send(requests)
            try server.waitForActive(name, event: "PgSleep")
            client.close()
        }

        @Test func `cancels what clients leave, without a CancelRequest`() throws {
            let pgleash = try PgleashProcess.monitored()
            for number in 1...20 {
                try leave(pgleash, name: "left \(number)")
                let line = try pgleash.reapedLine("left \(number)")
                #expect(line["outcome"] == "cancelled" && line["attempts"] == "1", "\(line)")
            }
            let report = try pgleash.report()
            #expect(report["cancels_sent_total", "monitor"] == 20 && report["cancels_sent_total", "request"] == 0)
            let sessions = try postgres.query(
                "SELECT usename, state FROM pg_stat_activity WHERE application_name = 'pgleash monitor'"
            )
            #expect(sessions == [[MonitoredServer.role, "idle"]])
            pgleash.stop()
        }

        @Test func `leaves superusers to CancelRequests, unless it is one`() throws {
            let pgleash = try PgleashProcess.monitored()
            try leave(pgleash, name: "superuser", as: "postgres")
            #expect(try pgleash.reapedLine("superuser")["outcome"] == "cancelled")
            #expect(try pgleash.report()["cancels_sent_total", "request"] == 1)
            pgleash.stop()
            let superuser = try PgleashProcess.monitored(user: "postgres")
            try leave(superuser, name: "other superuser", as: "postgres")
            #expect(try superuser.reapedLine("other superuser")["outcome"] == "cancelled")
            #expect(try superuser.report()["cancels_sent_total", "monitor"] == 1)
            superuser.stop()
        }

        @Test func `ends a pipeline at once, and no transaction of it is committed in half`() throws {
            try postgres.query("DROP TABLE IF EXISTS one, other; CREATE TABLE one (client int)")
            try postgres.query("CREATE TABLE other (client int); GRANT ALL ON one, other TO \(MonitoredServer.client)")
            let pgleash = try PgleashProcess.monitored()
            var times: [Double] = []
            for number in 1...40 {
                let name = "pipeline \(number)"
                let statements = [
                    "BEGIN", "INSERT INTO one VALUES (\(number))", "SELECT pg_sleep(600)",
                    "INSERT INTO other VALUES (\(number))", "COMMIT", "INSERT INTO other VALUES (\(number))",
                ]
                try leave(pgleash, name: name, statements.flatMap(Frontend.query))
                let line = try pgleash.reapedLine(name)
                #expect(line["outcome"] == "terminated", "\(line)")
                times.append(Double(line["reap_ms"] ?? "") ?? .infinity)
            }
            times.sort()
            print(
                "40 pipelines ended by the monitor, the median after \(times[20]) ms, the slowest after \(times[39]) ms"
            )
            // The machine may pause while one or two are ended.
            #expect(times[37] < 25)
            #expect(try postgres.query("SELECT client FROM one UNION ALL SELECT client FROM other") == [])
            let report = try pgleash.report()
            #expect(report["orphans_total", "terminated"] == 40 && report["backends_terminated_total"] == 40)
            #expect(report.sum("cancels_sent_total") == 0)
            pgleash.stop()
        }

        @Test func `ends a backend that catches every cancel, after terminate_after`() throws {
            let pgleash = try PgleashProcess.monitored(cancel: ["terminate_after = 1s"])
            let stubborn = """
                DO $$ BEGIN LOOP
                    BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END;
                END LOOP; END $$
                """
            try leave(pgleash, name: "stubborn", Frontend.query(stubborn))
            let line = try pgleash.reapedLine("stubborn")
            #expect(line["outcome"] == "terminated", "\(line)")
            let time = Double(line["reap_ms"] ?? "") ?? 0
            #expect((1000..<1500).contains(time))
            #expect(try postgres.timeUntilGone("stubborn") < .seconds(1))
            pgleash.stop()
        }

        @Test func `is used where a system in between translates addresses, but not without a cancel key`() throws {
            let rules = try RunFolder.shared.newFile(
                "pg_hba.conf", "host all all 127.0.0.0/8 trust\nlocal all all trust\n")
            let server = try PrivatePostgres(settings: [], files: [("pg_hba.conf", rules)])
            try MonitoredServer.addRoles(to: server)
            for keepsKeys in [false, true] {
                let relay = try AddressRelay(to: server.port, withholdsKeys: keepsKeys)
                let pgleash = try PgleashProcess.monitored(relay.address, lines: ["sslmode = disable"])
                let name = keepsKeys ? "keyless" : "translated"
                try leave(pgleash, name: name, on: server)
                let message = keepsKeys ? "cancel not sent" : "orphan reaped"
                try wait(for: "the log line") { pgleash.log.contains(message) }
                let report = try pgleash.report()
                #expect(report["cancels_sent_total", "monitor"] == (keepsKeys ? 0 : 1))
                if keepsKeys { try server.terminate(name) }
                pgleash.stop()
            }
            server.stop()
        }

        @Test func `is not used where ports are translated, as by a pooler`() throws {
            let relay = try PassThrough(to: postgres.port)
            let configuration = ["monitor": ["user = \(MonitoredServer.role)"]]
            let pgleash = try PgleashProcess(server: relay.address, configuration: configuration)
            try wait(for: "the monitor's attempt") { pgleash.log.contains("monitor can't be used") }
            try leave(pgleash, name: "relayed")
            #expect(try pgleash.reapedLine("relayed")["outcome"] == "cancelled")
            let report = try pgleash.report()
            #expect(report["cancels_sent_total", "monitor"] == 0 && report["monitors_connected"] == 0)
            #expect(try pgleash.waitForLogLines("translates ports").count == 1)
            pgleash.stop()
        }

        @Test func `is not misled by a search path`() throws {
            try postgres.query("CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO \(MonitoredServer.role)")
            defer { _ = try? postgres.query("DROP SCHEMA evil CASCADE") }
            for name in ["evil.pg_cancel_backend(int)", "public.pg_has_role(text, text)"] {
                try postgres.query("CREATE FUNCTION \(name) RETURNS bool LANGUAGE sql AS 'SELECT false'")
            }
            defer { _ = try? postgres.query("DROP FUNCTION public.pg_has_role(text, text)") }
            try postgres.query("ALTER ROLE \(MonitoredServer.role) SET search_path = evil, pg_catalog")
            defer { _ = try? postgres.query("ALTER ROLE \(MonitoredServer.role) RESET search_path") }
            let pgleash = try PgleashProcess.monitored()
            try leave(pgleash, name: "misled")
            let line = try pgleash.reapedLine("misled")
            #expect(line["outcome"] == "cancelled" && line["attempts"] == "1", "\(line)")
            pgleash.stop()
        }

        @Test func `signals nothing for idle clients that leave`() throws {
            let pgleash = try PgleashProcess.monitored()
            let count = DropCount.of(400, share: 0.5)
            for number in 0..<count {
                let client = try pgleash.connectClient(name: "idle \(number)")
                number.isMultiple(of: 2) ? client.close() : client.reset()
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("cancels_sent_total") == 0 && report["backends_terminated_total"] == 0)
            pgleash.stop()
        }
    }
}
