// The places of pgleash: in front of a server, in front of or behind PgBouncer, in front of HAProxy. At each of them no
// work of a client that left remains, and pgleash's reports about it are true.

import Foundation
import Testing

extension IntegrationTests {
    // HAProxy passes every second cancel to the other server, which has no such process.
    @Suite(.tags(.toleratesStrayCancels)) struct `At each place` {
        @Test(arguments: Place.Kind.leashed)
        func `nothing is left of a client, and nothing is reported that is not so`(
            _ kind: Place.Kind
        ) throws {
            let strays = PrivatePostgres.shared.strayCancels
            let result = try PlaceResult.measure(kind, count: DropCount.of(2, share: 0.001))
            print("\(kind.rawValue): \(result.total.orphans) of \(result.total.count), \(result.total.times.summary)")
            let strayCount = PrivatePostgres.shared.strayCancels - strays
            print("\(kind.rawValue): \(strayCount) stray cancels")
            for orphan in result.orphans { Issue.record("left at \(kind.rawValue): \(orphan)") }
            for report in result.falseReports { Issue.record("false at \(kind.rawValue): \(report)") }
            // As in the matrix: on a busy machine a backend may take longer to exit than the time before the next
            // cancel.
            if !kind.hasBalancer { #expect(strayCount * 100 <= result.total.count, "\(strayCount) stray cancels") }
        }

        @Test(.enabled(if: PlaceTable.file != nil, "a table that takes many minutes"))
        func `what is left, with pgleash and without, is written down`() throws {
            var table = PlaceTable()
            for kind in Place.Kind.allCases {
                table.results[kind] = try PlaceResult.measure(kind, count: DropCount.of(2, share: 0.001))
                try table.markdown().write(toFile: #require(PlaceTable.file), atomically: true, encoding: .utf8)
            }
            for kind in Place.Kind.leashed { #expect(table.results[kind]?.total.orphans == 0, "\(kind.rawValue)") }
        }
    }
}
