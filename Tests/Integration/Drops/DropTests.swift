// The ways in which a client leaves, and pgleash's reaction: a cancel when requests are outstanding, otherwise a close.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A client that leaves` {
        private let postgres = PrivatePostgres.shared

        @Test(arguments: Departure.ofSocket)
        func `in a query has it cancelled, and the log and the report say so`(
            _ drop: Departure
        ) throws {
            let pgleash = try PgleashProcess()
            let name = "busy-\(drop)"
            let client = try pgleash.connectBusy(name: name)
            let pauses = MachinePauses.shared
            let start = ContinuousClock.now
            try drop(client)
            let time = try postgres.timeUntilGone(name)
            print("left a query by \(drop): gone after \([time].summary)")
            #expect(time < .milliseconds(250))
            if drop == .halfClose { #expect(try client.readToEnd() == []) }

            let line = try pgleash.reapedLine(name)
            let end = ContinuousClock.now
            let paused = (start.duration(to: end) - pauses.timeWithout(from: start, to: end)).milliseconds
            #expect(line["pid"] == "\(client.backendPID)")
            #expect(line["user"] == "postgres")
            #expect(line["database"] == "postgres")
            #expect(line["drop"] == drop.kind)
            #expect(line["outcome"] == "cancelled")
            #expect(Int(line["attempts"] ?? "").map { $0 >= 1 } == true)
            #expect(Double(line["reap_ms"] ?? "").map { $0 > 0 && $0 < 250 + paused } == true)

            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["drops_total", drop.kind] == 1)
            #expect(report.sum("drops_total") == 1)
            #expect(report["orphans_total", "cancelled"] == 1)
            #expect(report["sessions_ended_total", "reaped"] == 1)
            #expect(report.sum("cancels_sent_total") == Int(line["attempts"] ?? ""))
            pgleash.stop()
        }

        @Test func `while it is idle takes its backend along, and no cancel is sent`() throws {
            // Its log shows each connection, also that of a cancel.
            let postgres = try PrivatePostgres("log_connections=on")
            let pgleash = try PgleashProcess(server: postgres.address)
            try pgleash.waitForProbe()
            try postgres.query("CREATE TABLE numbers (number int)")
            let before = connections(of: postgres)
            for drop in Departure.ofSocket {
                let idle = try pgleash.connect(name: "idle-\(drop)")
                let inTransaction = try pgleash.connect(name: "in-transaction-\(drop)")
                try inTransaction.send(Frontend.query("BEGIN; INSERT INTO numbers VALUES (1)"))
                try inTransaction.read(until: UInt8(ascii: "Z"))
                #expect(try postgres.backends("in-transaction-\(drop)", state: "idle in transaction") == 1)
                try drop(idle)
                try drop(inTransaction)
                #expect(try postgres.timeUntilGone("idle-\(drop)") < .seconds(1))
                #expect(try postgres.timeUntilGone("in-transaction-\(drop)") < .seconds(1))
            }
            #expect(try postgres.value("SELECT count(*) FROM numbers") == "0")
            #expect(connections(of: postgres) - before == 2 * Departure.ofSocket.count)
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report["cancels_failed_total"] == 0)
            #expect(report.sum("drops_total") == 0)
            for drop in Departure.ofSocket {
                let expected = 2 * Departure.ofSocket.count { $0.idleEnd == drop.idleEnd }
                #expect(report["sessions_ended_total", drop.idleEnd] == expected, "\(drop)")
            }

            // A cancel is visible in that log.
            try pgleash.connectBusy(name: "busy", server: postgres).close()
            _ = try postgres.timeUntilGone("busy")
            try pgleash.waitForReport("a cancel") { $0.sum("cancels_sent_total") >= 1 }
            #expect(connections(of: postgres) - before >= 2 * Departure.ofSocket.count + 2)
            pgleash.stop()
            postgres.stop()
        }

        private func connections(of postgres: PrivatePostgres) -> Int {
            postgres.log.components(separatedBy: "connection received").count - 1
        }

        @Test func `with a Terminate alone waits for the reply`() throws {
            let pgleash = try PgleashProcess()
            let client = try pgleash.connectBusy(name: "patient", bytes: Frontend.query("SELECT pg_sleep(0.3), 'done'"))
            try client.send(Frontend.terminate)
            let answer = try client.read(until: UInt8(ascii: "Z"))
            #expect(answer.map(\.kind) == Array("TDCZ".utf8))
            #expect(try client.readToEnd() == [])
            client.close()
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report["sessions_ended_total", "client_terminated"] == 1)
            pgleash.stop()
        }
    }
}

extension Departure {
    /// Its value in the report and in the log.
    fileprivate var kind: String {
        switch self {
        case .fin, .kill, .halfClose: "fin"
        case .reset: "reset"
        case .terminate: "terminate"
        case .deadHost: "timeout"
        }
    }

    /// The end reason of an idle session.
    fileprivate var idleEnd: String {
        switch self {
        case .fin, .kill, .halfClose: "client_closed"
        case .reset: "client_reset"
        case .terminate: "client_terminated"
        case .deadHost: "client_timed_out"
        }
    }
}
