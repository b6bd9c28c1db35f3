// A connection to the server that breaks on its way while a statement runs: the server does not notice, and pgleash
// cancels over another connection.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite(.tags(.toleratesStrayCancels)) struct `When the connection to the server breaks` {
        private let postgres = PrivatePostgres.shared

        @Test func `the statement of a connected client is cancelled, and the client gets an error`() throws {
            let between = try PassThrough(to: postgres.port)
            let pgleash = try PgleashProcess(server: between.address)
            let client = try busyClient(of: pgleash)
            try between.cutOff()
            try waitForCancel()
            let error = try client.read(until: BackendKind.errorResponse)
            #expect(error.last?.field("C") == "08006")
            try client.leave(.fin)
            let report = try pgleash.waitForReport("the first cancel") { $0.sum("cancels_sent_total") >= 1 }
            #expect(report["drops_total", "server_lost"] == 1)
            #expect(report["orphans_active"] == 1, "nobody knows yet whether it has stopped")
            pgleash.stop()
            #expect(pgleash.log.contains("outcome=unconfirmed"))
        }

        @Test(arguments: ["0", "500ms"])
        func `what is being reaped is cancelled on, and not reported as stopped`(_ grace: String) throws {
            let between = try PassThrough(to: postgres.port)
            let pgleash = try PgleashProcess(
                server: between.address, configuration: ["cancel": ["timeout = 3s", "grace = \(grace)"]]
            )
            // Cancels are held until the connection has broken.
            try between.setMode(.open)
            let client = try busyClient(of: pgleash)
            try between.setMode(.hanging)
            try client.leave(.fin)
            _ = try pgleash.waitForReport("the drop") { $0["orphans_active"] == 1 }
            try between.cutOff()
            try between.setMode(.open)
            try waitForCancel()
            let report = try pgleash.waitForReport("the outcome") { $0["orphans_total", "unconfirmed"] == 1 }
            #expect(report["reap_seconds_count"] == 0)
            #expect(report["drops_total", "fin"] == 1)
            pgleash.stop()
        }

        @Test func `a server that ends sessions itself gets no cancels`() throws {
            let server = try PrivatePostgres()
            let pgleash = try PgleashProcess(server: server.address)
            let clients = try (0..<4).map { _ in try busyClient(of: pgleash, on: server) }
            try server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'broken'")
            for client in clients {
                let error = try client.read(until: BackendKind.errorResponse)
                #expect(error.last?.field("C") == "57P01")
                try client.leave(.fin)
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("cancels_sent_total") == 0 && report.sum("drops_total") == 0)
            #expect(server.strayCancels == 0)
            pgleash.stop()
            server.stop()
        }

        /// Its backend stays, as it does not know of its client's end.
        private func waitForCancel() throws {
            try wait(for: "the cancel", within: .seconds(2)) { try postgres.backends("broken", state: "active") == 0 }
        }

        private func busyClient(of pgleash: PgleashProcess, on server: PrivatePostgres? = nil) throws -> RawClient {
            let client = try pgleash.connect(name: "broken")
            let before = try (server ?? postgres).backends("broken", state: "active")
            try client.send(Frontend.query("SELECT pg_sleep(60)"))
            try wait(for: "the query") { try (server ?? postgres).backends("broken", state: "active") == before + 1 }
            return client
        }
    }
}
