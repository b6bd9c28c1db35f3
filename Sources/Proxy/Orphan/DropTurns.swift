// Spreads the work of clients that go in one instant, as when their host dies, over several turns of the loop, so that
// those that stay are served between.

import CancelPolicy
import Reactor

/// The clients of one worker that are gone and have not been seen to.
final class DropTurns {
    /// In one turn of the loop. To see to one takes some 100 µs.
    static let mostPerTurn = 8

    private let loop: any EventLoop
    private var waiting: [(session: SessionID, kind: DropKind)] = []
    private var handledCount = 0
    private var turn: (any ScheduledTimer)?

    init(loop: any EventLoop) {
        self.loop = loop
    }

    deinit { turn?.cancel() }

    /// - Parameter drop: called for each client that waits; the session may have ended meanwhile.
    /// - Returns: whether the client may be seen to now; otherwise `drop` will be called.
    func enter(_ session: SessionID, _ kind: DropKind, drop: @escaping (SessionID, DropKind) -> Void) -> Bool {
        if turn == nil { turn = loop.schedule(after: .zero) { [unowned self] in nextTurn(drop) } }
        // As long as others wait, this turn is full.
        guard handledCount < Self.mostPerTurn else {
            waiting.append((session, kind))
            return false
        }
        handledCount += 1
        return true
    }

    private func nextTurn(_ drop: @escaping (SessionID, DropKind) -> Void) {
        let due = waiting.prefix(Self.mostPerTurn)
        waiting.removeFirst(due.count)
        handledCount = due.count
        turn = due.isEmpty ? nil : loop.schedule(after: .zero) { [unowned self] in nextTurn(drop) }
        for (session, kind) in due { drop(session, kind) }
    }
}
