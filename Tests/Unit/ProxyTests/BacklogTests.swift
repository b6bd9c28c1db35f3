// The queue of bytes that a socket has not taken: no byte is lost or reordered, and none is kept after it is sent.

import Testing

@testable import Proxy

@Suite struct `A backlog` {
    /// Takes all bytes, `step` at a time.
    private func drain(_ backlog: Backlog, by step: Int) -> [UInt8] {
        var drained: [UInt8] = []
        while !backlog.isEmpty, drained.count < 10_000_000 {
            let some = backlog.withFirst { first in first.extracting(0..<min(step, first.count)).copied() }
            #expect(!some.isEmpty)
            drained += some
            backlog.removeFirst(some.count)
        }
        return drained
    }

    @Test(arguments: [1, 100, 65_535, 65_536, 65_537, 200_000])
    func `It gives what it got, in order, whatever the pieces`(size: Int) {
        let backlog = Backlog()
        var all: [UInt8] = []
        for piece in 0..<max(3, 300_000 / size) {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: piece &* 31 &+ $0) }
            backlog.append(bytes.span)
            all += bytes
        }
        #expect(backlog.count == all.count)
        #expect(drain(backlog, by: 70_000) == all)
        #expect(backlog.count == 0)
    }

    @Test func `Adding and taking in turn`() {
        let backlog = Backlog()
        var sent: [UInt8] = []
        var all: [UInt8] = []
        for round in 0..<5000 {
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 1 + round * 7 % 900)
            backlog.append(bytes.span)
            all += bytes
            let taken = backlog.withFirst { first in first.extracting(0..<min(first.count, round * 5 % 800)).copied() }
            sent += taken
            backlog.removeFirst(taken.count)
        }
        #expect(sent + drain(backlog, by: 1000) == all)
    }
}
