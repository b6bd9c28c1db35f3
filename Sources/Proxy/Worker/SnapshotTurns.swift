// The copying of a worker's sessions for readers: it is spread over several turns of the loop, so that sessions don't
// wait for it.

import Reactor
import Telemetry

/// The copies that one worker makes, one after the other.
final class SnapshotTurns {
    private struct Copying {
        var remaining: ArraySlice<SessionID>
        var copied: [SessionSnapshot] = []
        let reply: @Sendable ([SessionSnapshot]) -> Void
        let copy: (SessionID) -> SessionSnapshot?

        /// - Returns: whether the copy is complete.
        mutating func proceed() -> Bool {
            let due = remaining.prefix(SnapshotTurns.mostPerTurn)
            copied += due.compactMap(copy)
            remaining.removeFirst(due.count)
            return remaining.isEmpty
        }
    }

    /// The number of sessions that are copied in one turn of the loop. One takes about 300 ns.
    static let mostPerTurn = 32

    private let loop: any EventLoop
    private var waiting: [Copying] = []
    private var turn: (any ScheduledTimer)?

    init(loop: any EventLoop) {
        self.loop = loop
    }

    deinit { turn?.cancel() }

    /// Copies the sessions, at once where they are few.
    ///
    /// - Parameters:
    ///   - reply: receives the copies.
    ///   - copy: returns nil for a session that has ended meanwhile.
    func copy(
        _ sessions: [SessionID], to reply: @escaping @Sendable ([SessionSnapshot]) -> Void,
        _ copy: @escaping (SessionID) -> SessionSnapshot?
    ) {
        waiting.append(Copying(remaining: sessions[...], reply: reply, copy: copy))
        if waiting.count == 1 { nextTurn() }
    }

    private func nextTurn() {
        turn = nil
        guard !waiting.isEmpty else { return }
        if waiting[0].proceed() {
            let complete = waiting.removeFirst()
            complete.reply(complete.copied)
        }
        if !waiting.isEmpty { turn = loop.schedule(after: .zero) { [unowned self] in nextTurn() } }
    }
}
