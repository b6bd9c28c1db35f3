// pgbench at each place with other systems, with a new connection for each transaction: no client leaves in the middle
// of a transaction, so nothing may be cancelled.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `Connections that come and go at each place` {
        private static let clients = 8

        @Test(arguments: Place.Kind.leashed.filter { $0 != .direct })
        func `are never cancelled`(_ kind: Place.Kind) throws {
            let place = try Place(kind, poolSize: 20)
            let strays = place.strayCancels
            let count = DropCount.of(200, share: 0.125) / Self.clients * Self.clients
            let script = try RunFolder.shared.newFile("select.sql", "SELECT 1;\n")
            let run = try ChildProcess.run(
                Programs.postgres("pgbench"),
                [
                    "--no-vacuum", "--connect", "--client=\(Self.clients)", "--transactions=\(count / Self.clients)",
                    "--file=\(script)", "--host=127.0.0.1", "--port=\(place.port)", "--username=postgres", "postgres",
                ],
                within: .seconds(300)
            )
            #expect(run.exit == .code(0), "\(run.error)")
            #expect(run.output.contains("actually processed: \(count)/\(count)"), "\(run.output) \(run.error)")
            let report = try #require(
                try place.pgleash?.waitForReport("no busy session") { $0["sessions_busy"] == 0 }
            )
            print("\(kind.rawValue): \(count) connections, \(report["sessions_opened_total"]) of them to pgleash")
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report.sum("drops_total") == 0)
            #expect(report.sum("protocol_errors_total") == 0)
            place.stop()
            #expect(place.strayCancels == strays)
        }
    }
}
