// Reading ahead of a server. A client that has sent more bytes than its server reads, or more requests than are
// answered, has the end of its stream after these bytes, possibly in its own kernel, where it cannot be seen. So after
// a while without progress pgleash reads more from the client, up to a limit.

import Reactor

/// The state of a client whose bytes had to wait; most sessions never have one.
final class ReadAhead {
    /// The time without progress before the client is read ahead. A server that is busy with a bulk load pauses all the
    /// time, and no memory should be spent on that.
    static let delay = Duration.milliseconds(50)
    /// The time between checks of the quota when it is exhausted.
    static let pause = Duration.milliseconds(100)

    private let quota: Quota
    private let loop: any EventLoop
    private let begun: () -> Void
    /// The acquired part of the quota of all sessions.
    private var taken = 0
    /// The time of the last progress; nil while no bytes wait.
    private var since: MonotonicTime?
    /// The client is read although its bytes must wait.
    private(set) var isOn = false
    private var timer: (any ScheduledTimer)?

    /// - Parameter begun: called when reading ahead begins.
    init(_ quota: Quota, _ loop: any EventLoop, begun: @escaping () -> Void) {
        (self.quota, self.loop, self.begun) = (quota, loop, begun)
    }

    deinit { timer?.cancel() }

    var isWaiting: Bool { since != nil }

    /// The client's bytes must wait; or there was progress, and they must wait further.
    func wait() {
        since = loop.now
        isOn = false
        // A timer that is running checks the time when it fires; most waits are too short for a timer of their own.
        if timer == nil { lookAgain(after: Self.delay) }
    }

    /// Acquires `count` more bytes for a client that is read ahead.
    func charge(_ count: Int) {
        quota.acquire(count)
        taken += count
        guard !hasRoom else { return }
        isOn = false
        lookAgain(after: Self.pause)
    }

    /// No bytes wait any more, or they are no longer needed.
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

    /// One session may acquire the whole quota: it is worth it to see the end of a client, and it is not known whether
    /// others will need it.
    private var hasRoom: Bool { quota.hasRoom(for: loop.receiveBuffer.size) }
}
