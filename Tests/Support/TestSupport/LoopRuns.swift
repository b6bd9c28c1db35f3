// A real loop for a test, run for a limited time, and owners that record their events.

import Glibc
import Reactor

/// Lends a loop that outlives all objects of `body`: events must be freed before their loop.
package func withLoop<Result>(_ body: (LibeventLoop) throws -> Result) rethrows -> Result {
    let loop = LibeventLoop(receiveBufferSize: 65_536)
    defer { withExtendedLifetime(loop) {} }
    return try body(loop)
}

extension LibeventLoop {
    /// Runs for `duration` and returns the processor time of this thread, which distinguishes a busy loop from a
    /// waiting one.
    @discardableResult
    package func run(for duration: Duration) -> Duration {
        let end = schedule(after: duration) { [unowned self] in stop() }
        let before = threadProcessorTime()
        run()
        end.cancel()
        return threadProcessorTime() - before
    }
}

private func threadProcessorTime() -> Duration {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// The limit for a waiting loop in 100 ms; one that never waits takes nearly all.
package let idleProcessorTime = Duration.milliseconds(20)

/// An owner that records its events and then performs the test's action.
package final class Recorder: SocketOwner {
    package private(set) var told: [Readiness] = []
    private let reaction: (any StreamSocket, Readiness) -> Void

    package init(_ reaction: @escaping (any StreamSocket, Readiness) -> Void = { _, _ in }) {
        self.reaction = reaction
    }

    package func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        // A busy loop would report a million events; a hundred are enough to detect it.
        if told.count < 100 { told.append(readiness) }
        reaction(socket, readiness)
    }
}

/// A value that a closure may change while others read it; for one thread.
package final class Box<Value> {
    package var value: Value
    package init(_ value: Value) { self.value = value }
}
