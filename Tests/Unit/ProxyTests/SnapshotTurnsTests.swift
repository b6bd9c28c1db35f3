// Copies of many sessions: each turn of the loop makes some of them.

import Reactor
import Simulation
import Telemetry
import TestSupport
import Testing

@testable import Proxy

@Suite struct `The copies of a worker's sessions` {
    private static func snapshot(_ id: SessionID) -> SessionSnapshot {
        SessionSnapshot(
            client: "", user: "", database: "", applicationName: "", processID: UInt32(id), state: "",
            encryption: .none,
            age: .zero, queryAge: nil
        )
    }

    private final class Replies: @unchecked Sendable {
        var all: [[UInt32?]] = []
    }

    @Test func `are made a few in each turn, without those that have ended`() {
        let loop = SimulatedLoop()
        let turns = SnapshotTurns(loop: loop)
        let (replies, copied) = (Replies(), Box<[SessionID]>([]))
        turns.copy(Array(0..<70), to: { [replies] in replies.all.append($0.map(\.processID)) }) {
            copied.value.append($0)
            return $0 == 40 ? nil : Self.snapshot($0)
        }
        #expect(copied.value.count == 32)
        loop.iterate()
        #expect(copied.value.count == 64 && replies.all.isEmpty)
        loop.iterate()
        #expect(replies.all == [(0..<70).filter { $0 != 40 }.map { UInt32($0) }])
        #expect(loop.liveTimers == 0)
    }

    @Test func `are made for one reader after the other, at once where there are few`() {
        let loop = SimulatedLoop()
        let turns = SnapshotTurns(loop: loop)
        let replies = Replies()
        func copy(_ sessions: Range<SessionID>) {
            turns.copy(Array(sessions), to: { [replies] in replies.all.append($0.map(\.processID)) }) {
                Self.snapshot($0)
            }
        }
        copy(0..<2)
        copy(0..<0)
        #expect(replies.all == [[0, 1], []])
        copy(0..<200)
        copy(7..<8)
        #expect(replies.all.count == 2)
        loop.advance(by: .zero)
        #expect(replies.all.count == 4 && replies.all[3] == [7])
    }
}
