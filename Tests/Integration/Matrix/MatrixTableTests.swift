// The run of `make matrix`: the matrix on every route, written as a table. The only assertion is that pgleash leaves no
// orphan; the bounds are in MatrixTests.swift.

import Foundation
import Testing

extension IntegrationTests {
    @Suite(.enabled(if: MatrixTable.file != nil, "make matrix runs it"), .tags(.toleratesStrayCancels))
    struct `The matrix` {
        @Test func `is measured on all routes and written down`() throws {
            let namespace = try NetworkNamespace.isWanted ? NetworkNamespace() : nil
            if namespace == nil { print("no dead hosts: a network namespace can't be made here; root can") }
            var table = MatrixTable(server: .shared)
            for kind in Route.Kind.allCases {
                let route = try Route(kind, namespace: namespace)
                try measure(route, into: &table)
                if namespace != nil { try measureDeadHosts(route, into: &table) }
                route.close()
            }
            for activity in Activity.all {
                for departure in activity.departures {
                    let cell = table[.pgleash, activity, departure]
                    #expect(cell.map { $0.orphans == 0 } ?? (namespace == nil), "\(activity), \(departure.rawValue)")
                }
            }
            try table.markdown().write(toFile: #require(MatrixTable.file), atomically: true, encoding: .utf8)
        }

        private func measure(_ route: Route, into table: inout MatrixTable) throws {
            if route.kind.isLeashed { return try measurePgleash(route, into: &table) }
            // Where orphans are expected, the test waits for them together.
            let run = MatrixRun(route, limit: MatrixTable.limit, longestStay: .seconds(1))
            for departure in Departure.allCases where departure != .deadHost {
                let cells = try run.allAtOnce(departure, rounds: 6, each: 1)
                for (activity, cell) in cells { table[route.kind, activity, departure] = cell }
            }
        }

        private func measurePgleash(_ route: Route, into table: inout MatrixTable) throws {
            let run = MatrixRun(route, limit: MatrixTable.limit)
            for activity in Activity.all {
                for departure in activity.departures where departure != .deadHost {
                    let floor = try CancelFloor(route.server, isEncrypted: route.kind.isServerEncrypted)
                    table[route.kind, activity, departure] = try run.oneByOne(activity, departure, floor: floor)
                }
            }
        }

        private func measureDeadHosts(_ route: Route, into table: inout MatrixTable) throws {
            let run = MatrixRun(route, limit: Bound.deadHost.worst)
            let cells = try run.allAtOnce(.deadHost, rounds: route.kind.isLeashed ? 5 : 2, each: 4)
            for (activity, cell) in cells { table[route.kind, activity, .deadHost] = cell }
        }
    }
}
