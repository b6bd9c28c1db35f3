// A client that has sent more than its server reads, or more requests than are answered: its end stands after those
// bytes, in its own kernel even, and would not be seen. So when nothing moves for a while it is read on, within bounds.

import Reactor

/// What a session knows of a client whose bytes have had to wait; most sessions never have one.
final class ReadAhead {
    /// How long a server may take nothing before the client is read ahead. A server that is busy with a bulk load takes
    /// nothing for moments all the time, and no memory need be spent on that.
    static let delay = Duration.milliseconds(50)
    /// When there was no room, it is looked for again.
    static let pause = Duration.milliseconds(100)

    private let quota: Quota
    private let loop: any EventLoop
    private let begun: () -> Void
    /// What was taken of the limit that all sessions have.
    private var taken = 0
    /// Since when nothing has moved; nil while nothing has to wait.
    private var since: MonotonicTime?
    /// The client is read although its bytes have to wait.
    private(set) var isOn = false
    private var timer: (any ScheduledTimer)?

    /// - Parameter begun: called when the client is to be read ahead from now on.
    init(_ quota: Quota, _ loop: any EventLoop, begun: @escaping () -> Void) {
        (self.quota, self.loop, self.begun) = (quota, loop, begun)
    }

    deinit { timer?.cancel() }

    var isWaiting: Bool { since != nil }

    /// The client's bytes have to wait; or something has moved, and they have to wait further.
    func wait() {
        since = loop.now
        isOn = false
        // A timer that is running looks at the time when it comes; waits are often too short to make one each.
        if timer == nil { lookAgain(after: Self.delay) }
    }

    /// So many bytes more are kept for a client that is read ahead.
    func charge(_ count: Int) {
        quota.acquire(count)
        taken += count
        guard !hasRoom else { return }
        isOn = false
        lookAgain(after: Self.pause)
    }

    /// Nothing has to wait any more, or nobody waits for it.
    func end() {
        guard isWaiting else { return }
        quota.release(taken)
        (taken, since, isOn) = (0, nil, false)
    }

    private func lookAgain(after delay: Duration) {
        timer?.cancel()
        timer = loop.schedule(after: delay) { [unowned self] in consider() }
    }

    private func consider() {
        timer = nil
        guard let since, !isOn else { return }
        let early = Self.delay - loop.now.since(since)
        if early > .zero { return lookAgain(after: early) }
        isOn = hasRoom
        if isOn { begun() } else { lookAgain(after: Self.pause) }
    }

    /// One session may take all there is: a client whose end must not be missed is worth it, and there is no telling
    /// whether others will come.
    private var hasRoom: Bool { quota.hasRoom(for: loop.receiveBuffer.size) }
}
