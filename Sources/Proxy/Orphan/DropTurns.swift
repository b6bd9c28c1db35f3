// The distribution of work when many clients leave at once, as when their host dies: it is spread over several turns of
// the loop, so that other clients are served in between.

import CancelPolicy
import Reactor

/// The clients of one worker that are gone and not handled yet.
final class DropTurns {
    /// The number of clients that are handled in one turn of the loop. One takes about 100 µs.
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
    /// - Returns: whether the client may be handled now; otherwise `drop` will be called.
    func enter(_ session: SessionID, _ kind: DropKind, drop: @escaping (SessionID, DropKind) -> Void) -> Bool {
        if turn == nil { turn = loop.schedule(after: .zero) { [unowned self] in nextTurn(drop) } }
        // The turn is full while others wait.
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
