// The distribution of work when many clients leave at once, as when their host dies: it is spread over several turns of
// the loop, so that other clients are served in between.

import Reactor

/// The drops of one worker's clients, and the ends of its orphans, that wait for their turn.
final class Turns {
    /// The number of drops and ends in one turn of the loop. One takes about 50 µs.
    static let mostPerTurn = 8

    private let loop: any EventLoop
    private var waiting: [() -> Void] = []
    private var startedCount = 0
    private var turn: (any ScheduledTimer)?

    init(loop: any EventLoop) {
        self.loop = loop
    }

    deinit { turn?.cancel() }

    /// - Parameter work: called in a later turn, where this one is full; its session may have ended meanwhile.
    /// - Returns: whether the caller may do its work now; otherwise `work` will be called.
    func enter(_ work: @escaping () -> Void) -> Bool {
        if turn == nil { scheduleTurn() }
        // The turn is full while others wait.
        guard startedCount < Self.mostPerTurn else {
            waiting.append(work)
            return false
        }
        startedCount += 1
        return true
    }

    /// Calls `work`, now or in a later turn.
    func run(_ work: @escaping () -> Void) {
        if enter(work) { work() }
    }

    private func scheduleTurn() { turn = loop.schedule(after: .zero) { [unowned self] in nextTurn() } }

    private func nextTurn() {
        let due = waiting.prefix(Self.mostPerTurn)
        waiting.removeFirst(due.count)
        startedCount = due.count
        if due.isEmpty { turn = nil } else { scheduleTurn() }
        for work in due { work() }
    }
}
