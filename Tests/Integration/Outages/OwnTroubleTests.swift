// Failures at one place that must affect only that place: a lost host, connections that stay open, CancelRequests with
// invented keys.

import Foundation
import PostgresProtocol
import Synchronization
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When one place is in trouble` {
        private let postgres = Storm.postgres

        @Test func `an orphan at the healthy address is gone at once while a hundred wait for the dead one`() throws {
            let dying = try PassThrough(to: postgres.port, isBeside: true)
            let pgleash = try PgleashProcess(server: "127.0.0.2,127.0.0.1:\(postgres.port)")
            let group = try ClientGroup(100, port: pgleash.port, on: postgres)
            try dying.setMode(.refusing)
            let client = try pgleash.connectBusy(name: "healthy", server: postgres)
            try dying.setMode(.hanging)
            group.kill()
            try wait(for: "the cancels of the group") { dying.cancelsOpen == 16 }
            client.close()
            let time = try postgres.timeUntilGone("healthy")
            print("an orphan at the healthy address is gone after \([time].summary)")
            #expect(time < .milliseconds(100))
            #expect(try postgres.backends(group.name, state: "active") == 100)
            try dying.setMode(.open)
            try wait(for: "the end of the group") { try postgres.backends(group.name) == 0 }
            pgleash.stop()
        }

        @Test
        func `cancel connections that stay open delay no other cancel`() throws {
            let between = try PassThrough(to: postgres.port)
            between.keepCancels()
            let pgleash = try PgleashProcess(server: between.address)
            let group = try ClientGroup(100, port: pgleash.port, on: postgres)
            let time = try timed {
                group.kill()
                try pgleash.waitForReport("a hundred reaped") { $0["orphans_total", "cancelled"] == 100 }
            }
            print("a hundred are reaped after \([time].summary)")
            #expect(time < .seconds(2))
            pgleash.stop()
        }

        /// Four threads that send CancelRequests with invented keys, more than the server takes, without waiting.
        private func flood(_ pgleash: PgleashProcess, during body: () throws -> Void) throws {
            let isOver = Flag()
            let port = pgleash.port
            // Each has its own address, as the ports of one are soon used up.
            let unknownClients = (0..<4).map { number in
                ParallelTask {
                    while !isOver.value.load(ordering: .relaxed) {
                        let client = try? RawClient(port: port, host: 0x7f00_0003 + UInt32(number))
                        try? client?.send(Frontend.cancelRequest([0, 0, 1, 1, 6, 6, 6, UInt8(number)]))
                        rest(.milliseconds(1))
                    }
                }
            }
            defer {
                isOver.value.store(true, ordering: .relaxed)
                for client in unknownClients { client.waitForEnd() }
            }
            try wait(for: "cancels that are refused", pause: .milliseconds(50)) {
                pgleash.log.contains("cancel queue full")
            }
            try body()
        }

        @Test func `a flood of made-up keys delays no client's cancel and no orphan's, and loses none`() throws {
            let pgleash = try PgleashProcess(server: postgres.address, listen: "*:PORT")
            let client = try pgleash.connect(name: "flooded")
            var (times, orphansTimes): ([Duration], [Duration]) = ([], [])
            let floor = try CancelFloor(postgres)
            try flood(pgleash) {
                for number in 0..<50 {
                    try client.send(Frontend.query("SELECT pg_sleep(600)"))
                    try postgres.waitForActive("flooded", event: "PgSleep")
                    let cancel = try RawClient(port: pgleash.port)
                    times.append(
                        try MachinePauses.shared.timed {
                            try cancel.send(Frontend.cancelRequest(client.key))
                            let answer = try client.read(until: BackendKind.readyForQuery)
                            #expect(answer.first { $0.kind == BackendKind.errorResponse }?.field("C") == "57014")
                        })
                    // PostgreSQL before 17 signals twice; the second signal must not reach the next query.
                    _ = try cancel.readToEnd()
                    guard number % 5 == 0 else { continue }
                    try floor.measure()
                    let orphan = try pgleash.connectBusy(name: "orphan", server: postgres)
                    orphan.close()
                    orphansTimes.append(try postgres.timeUntilGone("orphan"))
                }
            }
            print("in a flood: clients' cancels \(times.summary); orphans \(orphansTimes.summary)")
            // A slow or busy machine is slow for a cancel without pgleash, too.
            let bound = max(.milliseconds(100), (floor.times.max() ?? .zero) * 4)
            #expect((times + orphansTimes).allSatisfy { $0 < bound })
            pgleash.stop()
        }
    }
}

private final class Flag: Sendable {
    let value = Atomic(false)
}
