// A storm of drops, and during it the server ends, in each of its ways, and restarts.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A server that ends in the middle of a storm` {
        /// The ways to end a postmaster.
        enum Ending: CaseIterable, CustomTestStringConvertible {
            case smart, fast, immediate, killed, crashed

            var testDescription: String {
                switch self {
                case .smart: "SIGTERM, a smart shutdown"
                case .fast: "SIGINT, a fast shutdown"
                case .immediate: "SIGQUIT, an immediate shutdown"
                case .killed: "SIGKILL"
                case .crashed: "SIGKILL of a backend, which restarts all"
                }
            }

            /// Whether sessions may continue to their end.
            var waitsForSessions: Bool { self == .smart }

            func happen(to server: PrivatePostgres, backend: pid_t) {
                switch self {
                case .smart: kill(server.postmaster, SIGTERM)
                case .fast: kill(server.postmaster, SIGINT)
                case .immediate: kill(server.postmaster, SIGQUIT)
                case .killed: kill(server.postmaster, SIGKILL)
                case .crashed: kill(backend, SIGKILL)
                }
            }
        }

        @Test(arguments: Ending.allCases)
        func `leaves pgleash up and its counters even`(
            _ ending: Ending
        ) throws {
            let postgres = try Storm.newPostgres(restarts: true)
            // The time for which lost cancels are sent again.
            let pgleash = try PgleashProcess(server: postgres.address, configuration: ["cancel": ["timeout = 5s"]])
            let group = try ClientGroup(Storm.size, port: pgleash.port, on: postgres)
            let bystander = try pgleash.connect(name: "bystander")
            let waiting = try pgleash.connectBusy(name: "waiting", server: postgres)
            group.kill()
            try wait(for: "the first orphans") { pgleash.logLines("orphan reaped").count >= 20 }
            ending.happen(to: postgres, backend: pid_t(bystander.backendPID))

            if ending.waitsForSessions {
                // No session is lost: they end when their clients end them.
                try pgleash.waitForReport("no orphan") { $0["orphans_active"] == 0 }
                try bystander.send(Frontend.query("SELECT 1"))
                #expect(try bystander.read(until: BackendKind.readyForQuery).map(\.kind) == Array("TDCZ".utf8))
                waiting.close()
                bystander.close()
            } else {
                _ = try waiting.readToEnd()
                _ = try bystander.readToEnd()
            }
            let report = try pgleash.waitForReport("no session", within: .seconds(30)) {
                $0["sessions_active"] == 0 && $0["orphans_active"] == 0
            }
            let outcomes = ["cancelled", "server_closed", "unconfirmed", "finished", "gave_up", "no_key"].map {
                (name: $0, count: report["orphans_total", $0])
            }
            print("\(ending.testDescription): \(outcomes.map { "\($0.count) \($0.name)" }.joined(separator: ", "))")
            #expect(report["orphans_total", "gave_up"] == 0)
            #expect(report["orphans_total", "no_key"] == 0)
            #expect(report["orphans_total", "cancelled"] >= 20)
            // A backend whose postmaster was killed exits without a message.
            let outcome = ending == .killed ? "unconfirmed" : "server_closed"
            #expect((report["orphans_total", outcome] > 0) == !ending.waitsForSessions)
            let lost = report["drops_total", "server_lost"]
            #expect(lost <= (ending == .killed ? 1 : 0), "the one that waits")
            expectBalance(report, drops: Storm.size + lost + (ending.waitsForSessions ? 1 : 0))

            try comeBack(postgres, ending)
            try expectService(pgleash, postgres)
        }

        private func expectBalance(_ report: Report, drops: Int) {
            #expect(report.sum("drops_total") == drops)
            #expect(report.sum("orphans_total") == drops)
            #expect(report["sessions_busy"] == 0)
            #expect(report["orphans_active"] == 0)
            #expect(report["sessions_opened_total"] == report.sum("sessions_ended_total"))
        }

        /// Returns when the server is up again; after a crash it is the old postmaster.
        private func comeBack(_ postgres: PrivatePostgres, _ ending: Ending) throws {
            if ending == .crashed { return try wait(for: "the recovery") { (try? postgres.query("SELECT 1")) != nil } }
            try postgres.waitForRestart()
        }

        /// New sessions are served, and reaped, as before.
        private func expectService(_ pgleash: PgleashProcess, _ postgres: PrivatePostgres) throws {
            #expect(try LibpqClient(port: pgleash.port).query("SELECT 1") == [["1"]])
            let client = try pgleash.connectBusy(name: "afterwards", server: postgres)
            client.close()
            #expect(try postgres.timeUntilGone("afterwards") < .seconds(1))
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            expectBalance(report, drops: report.sum("drops_total"))
            pgleash.stop()
            postgres.stop()
        }
    }
}
