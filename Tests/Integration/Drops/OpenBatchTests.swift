// An open batch with an executed INSERT whose client leaves before the Sync that would commit it. pgleash's messages
// roll the batch back, as PostgreSQL does at the end of the stream.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Of a batch whose Sync never came` {
        /// The server's activity when the client leaves.
        private enum Moment: CaseIterable {
            case waits, runsTheNext, hasJustGotIt
        }

        private static let threads = 4

        @Test(arguments: [Place.Kind.direct, .sessionPool, .transactionPool], [false, true])
        func `nothing is committed, also where the first cancel is lost`(
            _ kind: Place.Kind, _ losesFirstCancels: Bool
        ) throws {
            let postgres = PrivatePostgres.shared
            try postgres.query("DROP TABLE IF EXISTS left_open; CREATE TABLE left_open (client int)")
            let place = try Place(kind, losesFirstCancels: losesFirstCancels)
            let (port, count) = (place.port, DropCount.of(36, share: 0.05))
            try inParallel(Self.threads) { thread in
                for number in stride(from: thread, to: count, by: Self.threads) { try Self.visit(number, port) }
            }
            let pgleash = try #require(place.pgleash)
            let report = try pgleash.waitForReport("no session", within: .seconds(60)) { $0["sessions_active"] == 0 }
            let rows = try postgres.query("SELECT client FROM left_open").joined().joined(separator: ", ")
            print(
                "\(count) open batches, \(kind.rawValue)\(losesFirstCancels ? ", cancels lost" : ""): rows [\(rows)],"
                    + " \(report.sum("drops_total")) drops, \(report.sum("cancels_sent_total")) cancels"
            )
            #expect(rows.isEmpty)
            #expect(report.sum("drops_total") >= count * 2 / 3)
            #expect(report["orphans_total", "gave_up"] + report["orphans_total", "unconfirmed"] == 0)
            place.stop()
        }

        /// One client; all ways to leave and all moments are used in turn.
        private static func visit(_ number: Int, _ port: UInt16) throws {
            let moment = Moment.allCases[number % 3]
            let client = try RawClient(port: port)
            try client.startUp(name: "open batch")
            let insert = Frontend.extended("INSERT INTO left_open VALUES (\(number))")
            let next = moment == .runsTheNext ? Frontend.extended(Activity.sleep) : []
            try client.send(insert + Frontend.flush + next + Frontend.flush)
            if moment != .hasJustGotIt { try client.read(until: BackendKind.commandComplete) }
            rest(.milliseconds(3) * Double.random(in: 0...1))
            try client.leave([.fin, .reset, .terminate][number / 3 % 3])
        }
    }
}
