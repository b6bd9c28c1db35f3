// Orphans that are not in the matrix: of a client that left before its session began, of a hundred clients at once, and
// one that cannot be cancelled.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `An orphan` {
        private let postgres = PrivatePostgres.shared

        @Test func `whose query was sent ahead, with the startup packet, is cancelled too`() throws {
            let pgleash = try PgleashProcess()
            var times: [Duration] = []
            for round in 0..<20 {
                let name = "ahead-\(round)"
                let client = try RawClient(port: pgleash.port)
                try client.send(Frontend.startup(name: name) + Frontend.query("SELECT pg_sleep(600)"))
                // From before the start of the backend until it has begun the query.
                rest(.microseconds(300 * round))
                client.close()
                try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
                times.append(try postgres.timeUntilGone(name))
            }
            print("sent a query ahead of the startup and left: gone after \(times.summary)")
            #expect(times.allSatisfy { $0 < .seconds(1) })
            pgleash.stop()
        }

        @Test func `is seen after more requests than the record has room for`() throws {
            let pgleash = try PgleashProcess()
            let client = try pgleash.connectBusy(name: "pipeline")
            let requests = (0..<100_000).flatMap { _ in Frontend.query("SELECT 1") }
            client.sendWhatFits(requests[...], within: 500)
            client.close()
            try pgleash.waitForReport("the drop", within: .seconds(2)) { $0["drops_total", "fin"] == 1 }
            let time = try postgres.timeUntilGone("pipeline", within: .seconds(30))
            print("left with 100,000 queries unanswered: gone after \([time].summary)")
            pgleash.stop()
        }

        @Test func `is left by none of a hundred clients that die at once, and others are served meanwhile`() throws {
            let pgleash = try PgleashProcess()
            let strayBefore = postgres.strayCancels
            let bystander = try LibpqClient(port: pgleash.port, name: "bystander")
            let clients = try (1...100).map { _ in try pgleash.connect(name: "group") }
            for client in clients { try client.send(Frontend.query("SELECT pg_sleep(600)")) }
            try postgres.waitForActive("group", event: "PgSleep", count: 100)
            for client in clients { client.close() }
            var slowest = Duration.zero
            let time = try timed {
                try wait(for: "the end of the group") {
                    slowest = max(slowest, try timed { try bystander.query("SELECT 1") })
                    return try postgres.backends("group") == 0
                }
            }
            print("a hundred left at once: gone after \([time].summary); a bystander's longest: \([slowest].summary)")
            #expect(time < .seconds(3))
            #expect(slowest < .seconds(1))
            let report = try pgleash.waitForReport("no orphan") { $0["orphans_active"] == 0 }
            #expect(report["orphans_total", "cancelled"] == 100)
            #expect(postgres.strayCancels == strayBefore)
            pgleash.stop()
        }

        @Test func `that no cancel ends is given up in time, with a warning`() throws {
            let pgleash = try PgleashProcess(configuration: ["cancel": ["timeout = 1s"]])
            let client = try pgleash.connectBusy(name: "stubborn")
            try whileStopped(client) {
                client.close()
                let meanwhile = try pgleash.waitForReport("an orphan") {
                    $0["orphans_active"] == 1 && $0.sessions.map { $0["state"] } == ["reaping"]
                }
                #expect(meanwhile.sum("drops_total") == 1)
                #expect(meanwhile.sum("orphans_total") == 0)
                let line = try pgleash.reapedLine("stubborn", saying: "giving up: backend may still be running")
                #expect(line["outcome"] == "gave_up")
                #expect(Double(line["reap_ms"] ?? "").map { (900...2000).contains($0) } == true)
                #expect(try pgleash.waitForLogLines("giving up").first?.contains(" level=warning ") == true)
                let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
                #expect(report["orphans_total", "gave_up"] == 1)
                #expect(report["orphans_active"] == 0)
                #expect(try postgres.backends("stubborn", state: "active") == 1)
            }
            // It handles the cancels and the end of its session as soon as it continues.
            #expect(try postgres.timeUntilGone("stubborn") < .seconds(1))
            pgleash.stop()
        }
    }
}
