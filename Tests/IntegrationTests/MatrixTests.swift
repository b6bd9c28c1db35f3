// The matrix: whatever the server does for a client and however that one goes, nothing is left, and soon.

import Foundation
import Testing

extension IntegrationTests {
    @Suite(.tags(.toleratesStrayCancels)) struct MatrixTests {
        @Test(arguments: Activity.all)
        func `nothing is left of an activity, however its client goes`(_ activity: Activity) throws {
            let route = try Route(.pgleash)
            let run = MatrixRun(route, limit: .seconds(3))
            let strayBefore = route.server.strayCancels
            for departure in activity.departures where departure != .deadHost {
                let floor = try CancelFloor(route.server)
                let cell = try run.oneByOne(activity, departure, floor: floor)
                let name = "\(activity), \(departure.rawValue)"
                print("\(name): \(cell.times.summary); a plain cancel: \(floor.times.summary)")
                #expect(cell.excess(over: Bound(activity, floors: floor.times)) == nil, "\(name)")
                #expect(cell.count == activity.repetitions)
                #expect(try run.countLeft() == 0, "\(name)")
            }
            // On a busy machine a backend may take longer to leave than it is given before the next cancel.
            let strays = route.server.strayCancels - strayBefore
            #expect(strays * 10 <= activity.departures.count * activity.repetitions, "\(strays) stray cancels")
            let report = try route.pgleash?.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report?["orphans_active"] == 0)
            #expect(report?["orphans_total", "gave_up"] == 0)
            route.close()
        }

        @Test(.enabled(if: NetworkNamespace.isWanted, "a network namespace can't be made here; root can"))
        func `nothing is left of any activity when its client's host dies`() throws {
            let route = try Route(.pgleash, namespace: NetworkNamespace())
            let run = MatrixRun(route, limit: Bound.deadHost.worst + .seconds(2))
            let cells = try run.allAtOnce(.deadHost, rounds: 5, each: 4)
            for (activity, cell) in cells {
                print("\(activity), dead host: \(cell.times.summary)")
                #expect(cell.excess(over: .deadHost) == nil, "\(activity)")
                #expect(cell.count == 20)
            }
            #expect(try run.countLeft() == 0)
            let report = try route.pgleash?.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.map { $0["drops_total", "timeout"] >= cells.count * 20 } == true)
            route.close()
        }
    }
}
