// The backends that the monitor signals, and those that it does not take for them.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

@testable import LibPQ
@testable import Upstream

extension IntegrationTests {
    @Suite struct `The backend that a monitor signals` {
        private let postgres = MonitoredServer.postgres

        private func sleeping(_ name: String, port: UInt16) throws -> RawClient {
            let client = try RawClient(port: port)
            try client.send(Frontend.startup(user: MonitoredServer.client, name: name))
            try client.read(until: BackendKind.readyForQuery)
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive(name, event: "PgSleep")
            return client
        }

        private func isActive(_ name: String) throws -> Bool {
            try postgres.count("application_name = '\(name)' AND state = 'active'") == 1
        }

        @Test func `has the process ID, the address and the port of the order, as process IDs are used again`() throws {
            let client = try sleeping("identified", port: postgres.port)
            let row = try postgres.query(
                "SELECT pid, client_addr, client_port FROM pg_stat_activity WHERE application_name = 'identified'"
            )[0]
            let (pid, port) = (Int(row[0]) ?? 0, Int(row[2]) ?? 0)
            let place = "host=127.0.0.1 port=\(postgres.port) user=\(MonitoredServer.role) dbname=postgres"
            let monitor = try LibpqClient(place)
            func signal(pid: Int, address: String, port: Int) throws -> [[String]] {
                let order = ["{0}", "{\(pid)}", "{\(address)}", "{\(port)}", "{f}", "{f}", "{}", "{}", "{}", "{NULL}"]
                return try monitor.query(PQStatement.signal.text, order)
            }
            func signal(age: Double) throws -> [[String]] {
                let order = [
                    "{0}", "{NULL}", "{\(row[1])}", "{\(port)}", "{f}", "{f}", "{}", "{}", "{}", "{\(age)}",
                ]
                return try monitor.query(PQStatement.signal.text, order)
            }
            #expect(try signal(pid: pid, address: row[1], port: port + 1).isEmpty)
            #expect(try signal(pid: pid + 1, address: row[1], port: port).isEmpty)
            #expect(try signal(pid: pid, address: "127.0.0.2", port: port).isEmpty)
            #expect(try signal(age: 30).isEmpty && signal(age: -2).isEmpty, "another connection from this port")
            #expect(try isActive("identified"))
            #expect(try signal(pid: pid, address: row[1], port: port) == [["0", "true"]])
            #expect(try client.read(until: BackendKind.readyForQuery).contains { $0.kind == BackendKind.errorResponse })
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try postgres.waitForActive("identified", event: "PgSleep")
            #expect(try signal(age: 0.5) == [["0", "true"]])
        }

        @Test func `belongs to the same pgleash, where two are in front of one server`() throws {
            let pair = try [PgleashProcess.monitored(), PgleashProcess.monitored()]
            let stayed = try (1...10).map { try sleeping("stays \($0)", port: pair[1].port) }
            for number in 1...10 {
                try sleeping("leaves \(number)", port: pair[0].port).close()
                #expect(try pair[0].reapedLine("leaves \(number)")["outcome"] == "cancelled")
            }
            #expect(try (1...10).allSatisfy { try isActive("stays \($0)") })
            #expect(try pair[0].report()["cancels_sent_total", "monitor"] == 10)
            #expect(try pair[1].report().sum("cancels_sent_total") == 0)
            for client in stayed { client.close() }
            try pair[1].waitForReport("its own orphans") { $0["orphans_total", "cancelled"] == 10 }
            for pgleash in pair { pgleash.stop() }
        }

        @Test func `is not another one with the same port, at another address of the server`() throws {
            let addresses = ["127.0.0.1", "127.0.0.2"]
            let rules = try RunFolder.shared.newFile("pg_hba.conf", "host all all all trust\nlocal all all trust\n")
            let server = try PrivatePostgres(
                settings: ["listen_addresses=\(addresses.joined(separator: ","))"], files: [("pg_hba.conf", rules)]
            )
            let own = try RawClient(port: server.port)
            try own.startUp(name: "own")
            let port = try #require(UInt16(own.localAddress.split(separator: ":").last ?? ""))
            let other = try LibpqClient(
                "host=127.0.0.2 port=\(server.port) user=postgres dbname=postgres application_name=other"
            )
            try other.send("SELECT pg_sleep(600)")
            try server.waitForActive("other", event: "PgSleep")
            let seen = try server.query("SELECT client_port FROM pg_stat_activity WHERE application_name = 'own'")[0][0]
            #expect(seen == "\(port)")
            let monitor = try LibpqClient("host=127.0.0.1 port=\(server.port) user=postgres dbname=postgres")
            // As if both had the same port: the statement sees two rows for one order.
            let text = PQStatement.signal.text.replacing("a.client_port = t.port", with: "a.client_port > 0")
            let order = [
                "{0}", "{NULL}", "{127.0.0.1}", "{\(port)}", "{t}", "{f}", "{}", "{}", "{}", "{0.5}",
            ]
            let rows = try monitor.query(text, order)
            #expect(rows.count > 1 && rows.allSatisfy { $0 == ["0", "refused"] }, "\(rows)")
            server.stop()
        }
    }
}
