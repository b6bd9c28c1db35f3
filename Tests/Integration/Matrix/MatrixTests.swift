// The matrix: whatever the server does for a client and however the client leaves, no work remains after a short time.

import Foundation
import Testing

extension IntegrationTests {
    @Suite(.tags(.toleratesStrayCancels)) struct `Nothing is left of` {
        @Test(arguments: Route.Kind.allCases.filter(\.isLeashed), Activity.all)
        func `an activity, however its client goes`(
            _ kind: Route.Kind, _ activity: Activity
        ) throws {
            let route = try Route(kind)
            let run = MatrixRun(route, limit: .seconds(3))
            let strayBefore = route.server.strayCancels
            for departure in activity.departures where departure != .deadHost {
                let floor = try CancelFloor(route.server, isEncrypted: route.kind.isServerEncrypted)
                let cell = try run.oneByOne(activity, departure, floor: floor)
                let name = "\(activity), \(departure.rawValue)"
                print("\(name): \(cell.times.summary); a cancel of its own: \(floor.times.summary)")
                let bound = Bound(activity, floors: floor.times, isEncrypted: kind.isEncrypted)
                #expect(cell.excess(over: bound) == nil, "\(name)")
                #expect(cell.count == run.repetitions(of: activity))
                #expect(try run.countLeft() == 0, "\(name)")
            }
            // On a busy machine a backend may take longer to exit than the time before the next cancel.
            let strays = route.server.strayCancels - strayBefore
            let clients = activity.departures.count * run.repetitions(of: activity)
            #expect(strays * 10 <= clients, "\(strays) stray cancels")
            let report = try route.pgleash?.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report?["orphans_active"] == 0)
            #expect(report?["orphans_total", "gave_up"] == 0)
            #expect(report?["cancels_unprotected_total"] == 0)
            route.close()
        }

        @Test(
            .enabled(if: NetworkNamespace.isWanted, "a network namespace can't be made here; root can"),
            arguments: Route.Kind.allCases.filter(\.isLeashed)
        )
        func `any activity when its client's host dies`(_ kind: Route.Kind) throws {
            let route = try Route(kind, namespace: NetworkNamespace())
            let rounds = kind.isVariant ? 1 : 5
            let run = MatrixRun(route, limit: Bound.deadHost.worst + .seconds(2))
            let cells = try run.allAtOnce(.deadHost, rounds: rounds, each: 4)
            for (activity, cell) in cells {
                print("\(activity), dead host: \(cell.times.summary)")
                #expect(cell.excess(over: .deadHost) == nil, "\(activity)")
                #expect(cell.count == rounds * 4)
            }
            #expect(try run.countLeft() == 0)
            let report = try route.pgleash?.waitForReport("no session") { $0["sessions_active"] == 0 }
            // A client that has sent a part of a message has no outstanding request for it.
            let ends = report.map { $0["drops_total", "timeout"] + $0["sessions_ended_total", "client_timed_out"] }
            #expect(ends.map { $0 >= cells.count * rounds * 4 } == true)
            route.close()
        }
    }
}
