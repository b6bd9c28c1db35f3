// A storm of drops with a server that takes a limited number of cancels: a system between pgleash and the server counts
// them, refuses them or delays them.

import Foundation
import PostgresProtocol
import Testing

extension IntegrationTests {
    @Suite struct `In a storm of drops` {
        private let postgres = Storm.postgres
        private let between: PassThrough

        init() throws {
            between = try PassThrough(to: Storm.postgres.port)
        }

        private func startPgleash(_ settings: [String] = []) throws -> PgleashProcess {
            try PgleashProcess(server: between.address, configuration: ["cancel": settings])
        }

        /// The counters are consistent, and all orphans had this outcome.
        private func expectAllReaped(_ pgleash: PgleashProcess, _ outcome: String = "cancelled") throws {
            let report = try pgleash.waitForReport("all reaped", within: .seconds(60)) {
                $0.sum("drops_total") == Storm.size && $0["orphans_active"] == 0 && $0["sessions_busy"] == 0
            }
            #expect(report["orphans_total", outcome] == Storm.size)
            #expect(report.sum("orphans_total") == Storm.size)
        }

        /// In addition to those on their way, as many connections may wait for their close whose cancels have been
        /// answered.
        private func expectFewOpen(_ limit: Int) {
            #expect((limit...2 * limit).contains(between.mostCancelsOpen), "\(between.mostCancelsOpen)")
        }

        @Test(arguments: [nil, 3])
        func `no more cancels are on their way than max_concurrent allows`(_ setting: Int?) throws {
            let limit = setting ?? 16
            let pgleash = try startPgleash(setting.map { ["max_concurrent = \($0)"] } ?? [])
            let group = try ClientGroup(Storm.size, port: pgleash.port, on: postgres)
            // The allowed number arrives; no more follow while none of them gets through.
            try between.setMode(.hanging)
            group.kill()
            try wait(for: "\(limit) cancels") { between.cancelsOpen == limit }
            #expect(holds(for: .milliseconds(500)) { between.cancelsOpen == limit })
            try between.setMode(.open)
            try expectAllReaped(pgleash)
            print("at most \(between.mostCancelsOpen) of \(between.cancels) cancels at once")
            expectFewOpen(limit)
            #expect(between.cancels >= Storm.size)
            try wait(for: "the end of all backends") { try postgres.backends(group.name) == 0 }
            pgleash.stop()
        }

        /// Kills a group while the server does not accept cancels for two seconds.
        private func storm(_ pgleash: PgleashProcess, _ mode: PassThrough.Mode) throws {
            let closed = Duration.seconds(2)
            let floor = try Storm.floor()
            let group = try ClientGroup(Storm.size, port: pgleash.port, on: postgres)
            let course = try StormCourse(of: group.name, on: postgres, port: pgleash.port) {
                try between.setMode(mode)
                group.kill()
                let isWaiting = try holds(for: closed) {
                    try postgres.backends(group.name, state: "active") == Storm.size
                }
                #expect(isWaiting)
                try between.setMode(.open)
            }
            print("with the mode \(mode) for \(closed): \(course)")
            // A second is the longest pause between two tries.
            #expect(course.stopped < closed + .seconds(1) + floor.bound)
            #expect(course.isKindToBystander(floor: floor), "\(course.slowest)")
            try expectAllReaped(pgleash)
        }

        @Test func `while the server refuses cancels they are tried again, and none is forgotten`() throws {
            let stray = postgres.strayCancels
            let pgleash = try startPgleash()
            try storm(pgleash, .refusing)
            #expect(try pgleash.report()["cancels_failed_total"] >= Storm.size)
            #expect(postgres.strayCancels == stray)
            pgleash.stop()
        }

        @Test(arguments: ["5s", "300ms"])
        func `while the server lets cancels wait they queue, and none is forgotten`(_ attemptTimeout: String) throws {
            let pgleash = try startPgleash(["attempt_timeout = \(attemptTimeout)"])
            try storm(pgleash, .hanging)
            expectFewOpen(16)
            // Cancels that hang for too long release their places, and are sent again.
            let surplus = between.cancels - Storm.size
            #expect(attemptTimeout == "5s" ? surplus < 16 : surplus >= 4 * 16)
            pgleash.stop()
        }

        @Test(arguments: [PassThrough.Mode.refusing, .hanging])
        func `what no cancel reaches is given up at its deadline, each in time`(_ mode: PassThrough.Mode) throws {
            let pgleash = try startPgleash(["timeout = 2s"])
            let group = try ClientGroup(Storm.size, port: pgleash.port, on: postgres)
            try between.setMode(mode)
            group.kill()
            try expectAllReaped(pgleash, "gave_up")
            let lines = try pgleash.waitForLogLines("giving up: backend may still be running", count: Storm.size)
            let times = lines.compactMap { Double(Report.fields($0)["reap_ms"] ?? "") }
            print("given up after \(times.min() ?? 0) to \(times.max() ?? 0) ms")
            #expect(times.count == Storm.size)
            #expect(times.allSatisfy { (1_990...3_000).contains($0) })
            // After this it works as before, with a place in the queue for each new order.
            try between.setMode(.open)
            let client = try pgleash.connectBusy(name: "afterwards", server: postgres)
            client.close()
            #expect(try postgres.timeUntilGone("afterwards") < .seconds(1))
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["sessions_opened_total"] == report.sum("sessions_ended_total"))
            pgleash.stop()
        }
    }
}
