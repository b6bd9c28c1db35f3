// What a client may leave behind that one cancel does not end, or that comes before or after it: all of it must go.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct OrphanTests {
        private let postgres = PrivatePostgres.shared

        /// What a client asked for.
        struct Legacy: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let bytes: [UInt8]
            /// Interrupts without which it can't end.
            var interrupts = 1

            static let catching = """
                DO $$ BEGIN
                    FOR i IN 1..3 LOOP
                        BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END;
                    END LOOP;
                    PERFORM pg_sleep(600);
                END $$
                """

            static let all = [
                Legacy(
                    testDescription: "an extended query with Sync",
                    bytes: Frontend.extended("SELECT pg_sleep(600)") + Frontend.sync
                ),
                Legacy(
                    testDescription: "an extended query with Flush and no Sync",
                    bytes: Frontend.extended("SELECT pg_sleep(600)") + Frontend.flush
                ),
                Legacy(
                    testDescription: "a pipeline of 8 extended queries, each with Sync",
                    bytes: (1...8).flatMap { _ in Frontend.extended("SELECT pg_sleep(20)") + Frontend.sync },
                    interrupts: 8
                ),
                Legacy(
                    testDescription: "8 simple queries at once",
                    bytes: (1...8).flatMap { _ in Frontend.query("SELECT pg_sleep(20)") },
                    interrupts: 8
                ),
                Legacy(
                    testDescription: "code that catches query_canceled three times",
                    // The first is caught; the next one may come in the moment between two sleeps, where none is.
                    bytes: Frontend.query(catching), interrupts: 2
                ),
                Legacy(
                    testDescription: "a query inside a transaction",
                    bytes: Frontend.query("BEGIN") + Frontend.query("SELECT pg_sleep(600)")
                ),
                Legacy(
                    testDescription: "a query behind an error in an extended batch",
                    bytes: Frontend.extended("SELECT 1/0") + Frontend.query("SELECT 'skipped'") + Frontend.sync
                        + Frontend.query("SELECT pg_sleep(600)")
                ),
                Legacy(
                    testDescription: "a function call",
                    // pg_sleep(double precision), as pg_proc.dat has it.
                    bytes: Frontend.functionCall(2626, [[0x40, 0x82, 0xc0, 0, 0, 0, 0, 0]])
                ),
            ]
        }

        @Test(arguments: Legacy.all)
        func `of an orphan nothing is left within a second`(_ legacy: Legacy) throws {
            let pgleash = try PgleashProcess()
            var times: [Duration] = []
            var attempts = 0
            for round in 1...3 {
                let client = try pgleash.connectBusy(name: "orphan-\(round)", bytes: legacy.bytes)
                client.close()
                times.append(try postgres.timeUntilGone("orphan-\(round)", within: .seconds(25)))
                let line = try pgleash.reapedLine("orphan-\(round)")
                // The postmaster signals a backend and its process group: one cancel may interrupt twice.
                let count = try #require(Int(line["attempts"] ?? ""))
                #expect(count >= (legacy.interrupts + 1) / 2, "\(line)")
                attempts += count
            }
            print("left \(legacy.testDescription): gone after \(times.summary)")
            #expect(times.allSatisfy { $0 < .seconds(1) })
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("orphans_total") == 3)
            #expect(report["cancels_sent_total"] == attempts)
            #expect(report["orphans_total", "gave_up"] == 0)
            pgleash.stop()
        }

        @Test func `a query sent in the instant its client leaves does not stay, a hundred times over`() throws {
            let pgleash = try PgleashProcess()
            let strayBefore = strayCancels
            var times: [Duration] = []
            for round in 1...100 {
                let name = "instant-\(round)"
                let client = try pgleash.connect(name: name)
                try client.send(Frontend.query("SELECT pg_sleep(600)"))
                // Each in another way, as the bytes and the end race differently.
                round.isMultiple(of: 2) ? client.close() : client.reset()
                times.append(try postgres.timeUntilGone(name))
            }
            print("left in the instant of the query: gone after \(times.summary)")
            #expect(times.allSatisfy { $0 < .seconds(1) })
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            // A reset may overtake the query it follows; then there is nothing to reap.
            #expect(report.sum("orphans_total") >= 50)
            #expect(report.sum("orphans_total") == report.sum("drops_total"))
            #expect(report["orphans_total", "gave_up"] == 0)
            #expect(strayCancels == strayBefore)
            pgleash.stop()
        }

        @Test func `a query sent ahead, with the start-up packet, is cancelled too`() throws {
            let pgleash = try PgleashProcess()
            var times: [Duration] = []
            for round in 0..<20 {
                let name = "ahead-\(round)"
                let client = try RawClient(port: pgleash.port)
                try client.send(Frontend.startup(name: name) + Frontend.query("SELECT pg_sleep(600)"))
                // From before the backend is there to when it has begun the query.
                rest(.microseconds(300 * round))
                client.close()
                try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
                times.append(try postgres.timeUntilGone(name))
            }
            print("sent a query ahead of the start-up and left: gone after \(times.summary)")
            #expect(times.allSatisfy { $0 < .seconds(1) })
            pgleash.stop()
        }

        /// Cancels that came when their backend had left already; each is a line in the server's log.
        private var strayCancels: Int {
            postgres.log.components(separatedBy: "in cancel request did not match any process").count - 1
        }

        @Test func `a client that dies before it read its big result has it cancelled`() throws {
            let pgleash = try PgleashProcess()
            let big = Frontend.query("SELECT repeat('x', 1000), generate_series(1, 100000000)")
            var times: [Duration] = []
            for (round, leave) in [RawClient.close, RawClient.reset, RawClient.shutdownSending].enumerated() {
                let name = "stalled-\(round)"
                let client = try RawClient(port: pgleash.port, receiveBuffer: 4096)
                try client.startUp(name: name)
                try client.send(big)
                // The backend is stopped by its own full socket: what pgleash can take, it has taken.
                try postgres.waitForActive(name, event: "ClientWrite")
                leave(client)()
                times.append(try postgres.timeUntilGone(name))
                #expect(try pgleash.reapedLine(name)["outcome"] == "cancelled")
            }
            print("left a big result unread: gone after \(times.summary)")
            #expect(times.allSatisfy { $0 < .seconds(1) })
            pgleash.stop()
        }

        @Test(arguments: ["FIN", "RST"])
        func `an end is seen with megabytes before it, unsent to a waiting server`(end: String) throws {
            let pgleash = try PgleashProcess()
            let name = "unsent"
            defer { try? postgres.terminate(name) }
            let client = try pgleash.connectBusy(name: name)
            client.sendWhatFits(Frontend.query(String(repeating: "x", count: 12 << 20))[...], within: 200)
            end == "FIN" ? client.close() : client.reset()
            let time = try postgres.timeUntilGone(name)
            print("left by \(end) with megabytes unsent: gone after \([time].summary)")
            #expect(time < .seconds(1))
            pgleash.stop()
        }

        @Test func `a hundred clients that die at once leave nothing, and others are served meanwhile`() throws {
            let pgleash = try PgleashProcess()
            let strayBefore = strayCancels
            let bystander = try LibpqClient(port: pgleash.port, name: "bystander")
            let clients = try (1...100).map { _ in try pgleash.connect(name: "crowd") }
            for client in clients { try client.send(Frontend.query("SELECT pg_sleep(600)")) }
            try postgres.waitForActive("crowd", event: "PgSleep", count: 100)
            for client in clients { client.close() }
            var slowest = Duration.zero
            let time = try timed {
                try wait(for: "the end of the crowd") {
                    slowest = max(slowest, try timed { try bystander.query("SELECT 1") })
                    return try postgres.backends("crowd") == 0
                }
            }
            print("a hundred left at once: gone after \([time].summary); a bystander's longest: \([slowest].summary)")
            #expect(time < .seconds(3))
            #expect(slowest < .seconds(1))
            let report = try pgleash.waitForReport("no orphan") { $0["orphans_active"] == 0 }
            #expect(report["orphans_total", "cancelled"] == 100)
            #expect(strayCancels == strayBefore)
            pgleash.stop()
        }

        @Test func `an orphan that no cancel ends is given up in time, with a warning`() throws {
            let pgleash = try PgleashProcess(configuration: ["cancel": ["timeout = 1s"]])
            let client = try pgleash.connectBusy(name: "stubborn")
            try whileStopped(client) {
                client.close()
                let meanwhile = try pgleash.waitForReport("an orphan") {
                    $0["orphans_active"] == 1 && $0.sessions.map { $0["state"] } == ["reaping"]
                }
                #expect(meanwhile.sum("drops_total") == 1)
                #expect(meanwhile.sum("orphans_total") == 0)
                let line = try pgleash.reapedLine("stubborn", saying: "gave up, what it left may still run")
                #expect(line["outcome"] == "gave_up")
                #expect(Double(line["milliseconds"] ?? "").map { (900...2000).contains($0) } == true)
                #expect(pgleash.logLines("gave up").first?.contains(" warning ") == true)
                let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
                #expect(report["orphans_total", "gave_up"] == 1)
                #expect(report["orphans_active"] == 0)
                #expect(try postgres.backends("stubborn", state: "active") == 1)
            }
            // It finds the cancels and the end of its session as soon as it goes on.
            #expect(try postgres.timeUntilGone("stubborn") < .seconds(1))
            pgleash.stop()
        }
    }
}
