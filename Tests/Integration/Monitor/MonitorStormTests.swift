// Many clients that die at once, with a monitor.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `A storm with a monitor` {
        private let postgres = MonitoredServer.postgres

        @Test func `of 500 clients is stopped far sooner than by CancelRequests, and forks nothing`() throws {
            let floor = try Storm.floor()
            print("500 CancelRequests directly: \(floor)")
            let pgleash = try PgleashProcess.monitored()
            for round in 1...3 {
                let group = try ClientGroup(
                    Storm.size, user: MonitoredServer.client, port: pgleash.port, on: postgres
                )
                let course = try StormCourse(of: group.name, on: postgres, port: pgleash.port) { group.kill() }
                let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
                let ways = ["monitor", "request"].map { report["cancels_sent_total", $0] }
                print("500 killed at once, with a monitor: \(course); \(ways[0]) cancels by it, \(ways[1]) requests")
                #expect(report["orphans_total", "cancelled"] == round * Storm.size)
                #expect(ways[1] == 0)
                #expect(course.stopped < max(.milliseconds(150), floor.stopped * 0.25))
                #expect(course.isKindToBystander(floor: floor), "\(course.slowest)")
            }
            pgleash.stop()
        }
    }
}
