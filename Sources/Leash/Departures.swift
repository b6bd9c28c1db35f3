// When many clients leave at once: their backends are kept until all are cancelled, and then leave one after another.

import Reactor

/// Server connections of sessions that are over, on their way to be closed.
///
/// A backend's exit takes the server longer than the cancel that stopped it. In a storm of drops the exits of those
/// that are cancelled already would take the processors from the cancels of those that still run.
final class Departures {
    /// So many may be under way to their end without this being a storm.
    private static let few = 16
    /// When one has waited so long its turn has come, whatever the others do: its backend holds a place, and perhaps
    /// advisory locks others wait for.
    private static let longestWait = Duration.seconds(1)
    private static let pause = Duration.milliseconds(1)

    private let loop: any EventLoop
    private let orphans: Counter
    private var waiting: [(server: any StreamSocket, since: MonotonicTime)] = []
    private var timer: (any ScheduledTimer)?

    /// - Parameter orphans: the gauge of those that are still being cancelled.
    init(loop: any EventLoop, orphans: Counter) {
        self.loop = loop
        self.orphans = orphans
    }

    /// Closes `server`, now or when there is time for it. It tells nobody anything any more.
    func leave(_ server: any StreamSocket) {
        guard orphans.value > Self.few || timer != nil else { return server.close() }
        server.owner = nil
        server.interest = []
        waiting.append((server, loop.now))
        if timer == nil { lookAgainSoon() }
    }

    private func lookAgainSoon() {
        timer = loop.schedule(after: Self.pause) { [unowned self] in
            timer = nil
            closeSome()
            if !waiting.isEmpty { lookAgainSoon() }
        }
    }

    /// One at a time, or more where that would take longer than they may wait.
    private func closeSome() {
        guard let first = waiting.first else { return }
        guard orphans.value <= Self.few || loop.now.since(first.since) >= Self.longestWait else { return }
        let count = 1 + waiting.count / 500
        for departure in waiting.prefix(count) { departure.server.close() }
        waiting.removeFirst(count)
    }
}
