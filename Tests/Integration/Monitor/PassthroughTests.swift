// TLS between client and server through pgleash: what works as without pgleash, and what the monitor ends.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `With TLS passed through` {
        private let postgres = PrivatePostgres.encrypting
        private let certificates = Certificates.shared

        private func start(cancel: [String] = []) throws -> PgleashProcess {
            try .passingThrough(to: postgres, cancel: cancel)
        }

        private func connect(
            _ pgleash: PgleashProcess, user: String = "scrambled", dbname: String = "postgres", _ more: String = ""
        ) throws -> LibpqClient {
            let place = "host=localhost hostaddr=127.0.0.1 port=\(pgleash.port) user=\(user) dbname=\(dbname)"
            let trust = "sslmode=verify-full sslrootcert=\(certificates.authority)"
            return try LibpqClient("\(place) \(trust) password='\(PrivatePostgres.password)' \(more)")
        }

        /// A client in the middle of pg_sleep.
        private func connectSleeping(
            _ pgleash: PgleashProcess, user: String = "encrypted", name: String
        ) throws -> RawClient {
            let client = try RawClient(port: pgleash.port)
            try client.encrypt()
            try client.send(Frontend.startup(user: user, name: name))
            try client.read(until: BackendKind.readyForQuery)
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive(name, event: "PgSleep")
            return client
        }

        @Test func `the server's certificate, channel binding and a client's certificate work end to end`() throws {
            let pgleash = try start()
            let question = "SELECT ssl, client_dn IS NOT NULL FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            #expect(try connect(pgleash, "channel_binding=require").query(question) == [["t", "f"]])
            let proof = "sslcert=\(certificates.client) sslkey=\(certificates.clientKey)"
            #expect(try connect(pgleash, user: "postgres", dbname: "template1", proof).query(question) == [["t", "t"]])
            #expect(throws: LibpqError.self) { try connect(pgleash, user: "postgres", dbname: "template1") }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("drops_total") == 0 && report["backends_terminated_total"] == 0)
            pgleash.stop()
        }

        @Test(arguments: [Farewell.fin, .reset]) func `what a client leaves is ended at once`(
            _ farewell: Farewell
        ) throws {
            let pgleash = try start()
            for number in 1...10 {
                let client = try connectSleeping(pgleash, name: "sleeper \(number)")
                let start = ContinuousClock.now
                try client.leave(farewell)
                try wait(for: "the end of the backend") { try postgres.backends("sleeper \(number)") == 0 }
                let time = MachinePauses.shared.timeWithout(from: start, to: .now)
                #expect(time < .milliseconds(250), "\(time)")
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["orphans_total", "terminated"] == 10 && report["orphans_active"] == 0)
            #expect(report.sum("orphans_total") == 10)
            pgleash.stop()
        }

        @Test func `idle clients that leave cause nothing, whether they say so or not`() throws {
            let pgleash = try start()
            for _ in 1...50 {
                let client = try RawClient(port: pgleash.port)
                try client.encrypt()
                try client.send(Frontend.startup(user: "encrypted", name: "idle"))
                try client.read(until: BackendKind.readyForQuery)
                try client.leave(.reset)
                _ = try connect(pgleash).query("SELECT 1")
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["backends_terminated_total"] == 0 && report.sum("orphans_total") == 0)
            pgleash.stop()
        }

        @Test func `a statement that is sent by a client that leaves at once is found`() throws {
            let pgleash = try start()
            for _ in 1...30 {
                let client = try RawClient(port: pgleash.port)
                try client.encrypt()
                try client.send(Frontend.startup(user: "encrypted", name: "sent and gone"))
                try client.read(until: BackendKind.readyForQuery)
                try client.send(Frontend.query("SELECT pg_sleep(600)"))
                try client.leave(.fin)
            }
            try wait(for: "the end of all backends") { try postgres.backends("sent and gone") == 0 }
            pgleash.stop()
        }

        @Test func `an excluded user's query runs on`() throws {
            let pgleash = try start(cancel: ["exclude_user = encrypted"])
            let client = try connectSleeping(pgleash, name: "excluded")
            try client.leave(.fin)
            try pgleash.waitForReport("the outcome") { $0["orphans_total", "excluded"] == 1 }
            #expect(try postgres.backends("excluded") == 1)
            try postgres.terminate("excluded")
            pgleash.stop()
        }

        @Test func `without a monitor that can look, the outcome says so`() throws {
            let pgleash = try PgleashProcess(
                server: postgres.address, listen: nil,
                configuration: [
                    "listen": ["host = 127.0.0.1", "port = PORT", "sslmode = passthrough"],
                    "server": ["sslmode = require"], "monitor": ["user = asked"], "cancel": ["timeout = 1s"],
                ]
            )
            let client = try connectSleeping(pgleash, name: "unreachable")
            try client.leave(.fin)
            try pgleash.waitForReport("the outcome") { $0["orphans_total", "unreachable"] == 1 }
            #expect(pgleash.log.contains("no monitor could look for the backend"))
            try postgres.terminate("unreachable")
            pgleash.stop()
        }

        @Test func `a client's own cancel, encrypted or not, is passed on`() throws {
            let pgleash = try start()
            let client = try RawClient(port: pgleash.port)
            try client.encrypt()
            try client.startUp(name: "cancels itself")
            let key = client.key
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive("cancels itself", event: "PgSleep")
            let cancel = try RawClient(port: pgleash.port)
            try cancel.encrypt()
            try cancel.send(Frontend.cancelRequest(key))
            try client.read(until: BackendKind.readyForQuery)
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive("cancels itself", event: "PgSleep")
            let plain = try RawClient(port: pgleash.port)
            try plain.send(Frontend.cancelRequest(key))
            try client.read(until: BackendKind.readyForQuery)
            try client.leave(.terminate)
            pgleash.stop()
        }

        @Test func `clients without TLS are served as before`() throws {
            let pgleash = try start()
            let client = try pgleash.connectBusy(name: "plain", server: postgres)
            client.close()
            #expect(try pgleash.reapedLine("plain")["outcome"] == "cancelled")
            pgleash.stop()
        }

        @Test func `where the server has no TLS, a client that goes on without is served as usual`() throws {
            let server = MonitoredServer.postgres
            let pgleash = try PgleashProcess(
                server: server.address, listen: nil,
                configuration: [
                    "listen": ["host = 127.0.0.1", "port = PORT", "sslmode = passthrough"],
                    "monitor": ["user = \(MonitoredServer.role)"],
                ]
            )
            let target = "host=127.0.0.1 port=\(pgleash.port) user=\(MonitoredServer.client) dbname=postgres"
            #expect(throws: LibpqError.self) { try LibpqClient("\(target) sslmode=require") }
            var client: LibpqClient? = try LibpqClient("\(target) sslmode=prefer application_name=preferring")
            try client?.send("SELECT pg_sleep(600)")
            try server.waitForActive("preferring", event: "PgSleep")
            client = nil
            #expect(try pgleash.reapedLine("preferring")["outcome"] == "cancelled")
            pgleash.stop()
        }

        @Test func `a stop does not wait for idle clients`() throws {
            let pgleash = try start()
            let clients = try (1...20).map { _ in
                let client = try RawClient(port: pgleash.port)
                try client.encrypt()
                try client.startUp(name: "idle at the stop")
                return client
            }
            let start = ContinuousClock.now
            pgleash.stop()
            #expect(MachinePauses.shared.timeWithout(from: start, to: .now) < .seconds(2))
            #expect(!pgleash.log.contains("not all sessions ended in time"))
            withExtendedLifetime(clients) {}
        }

        @Test func `a commit is left alone, and what a stop of pgleash finds running is ended`() throws {
            try postgres.query("CREATE TABLE IF NOT EXISTS committed (number int); TRUNCATE committed")
            try postgres.query(
                """
                CREATE OR REPLACE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql
                    AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'
                """
            )
            try postgres.query(
                """
                CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON committed DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION slowly()
                """
            )
            defer { _ = try? postgres.query("DROP TABLE committed; DROP FUNCTION slowly") }
            let pgleash = try start()
            let client = try RawClient(port: pgleash.port)
            try client.encrypt()
            try client.startUp(name: "commits")
            try client.send(Frontend.query("BEGIN; INSERT INTO committed VALUES (1)"))
            try client.read(until: BackendKind.readyForQuery)
            try client.send(Frontend.query("COMMIT"))
            try postgres.waitForActive("commits", event: "PgSleep")
            try client.leave(.fin)
            try pgleash.waitForReport("the outcome") { $0["orphans_total", "finished"] == 1 }
            #expect(try postgres.value("SELECT count(*) FROM committed") == "1")
            let sleeper = try connectSleeping(pgleash, name: "running at the stop")
            pgleash.stop()
            try wait(for: "the end of the backend") { try postgres.backends("running at the stop") == 0 }
            withExtendedLifetime(sleeper) {}
        }

        @Test func `it needs a monitor, and a server on TCP`() throws {
            func errors(_ host: String, _ more: [String: String] = [:]) throws -> String {
                let run = try ChildProcess.run(
                    Programs.pgleash, ["--check-config"],
                    environment: ["PGLEASH_LISTEN_SSLMODE": "passthrough", "PGLEASH_SERVER_HOST": host].merging(more) {
                        $1
                    }
                )
                #expect(run.exit != .code(0))
                return run.error
            }
            #expect(try errors("127.0.0.1").contains("sslmode = passthrough needs [monitor] user"))
            let monitor = ["PGLEASH_MONITOR_USER": "leash"]
            let reason = "needs a [server] host that is no socket directory"
            #expect(try errors("/run/postgresql", monitor).contains(reason))
        }
    }
}

extension PgleashProcess {
    /// Passes TLS through to this server, and has a monitor there.
    static func passingThrough(to postgres: PrivatePostgres, cancel: [String] = []) throws -> PgleashProcess {
        let pgleash = try PgleashProcess(
            server: postgres.address, listen: nil,
            configuration: [
                "listen": ["host = 127.0.0.1", "port = PORT", "sslmode = passthrough"],
                "server": ["sslmode = require"], "monitor": ["user = postgres"], "cancel": cancel,
            ]
        )
        try pgleash.waitForMonitor()
        return pgleash
    }
}
