// A timer of a libevent loop: one call, once.

import CLibevent

/// The ScheduledTimer of LibeventLoop.
final class LibeventTimer: EventSource, ScheduledTimer {
    private let body: () -> Void

    init(loop: LibeventLoop, delay: Duration, _ body: @escaping () -> Void) {
        self.body = body
        super.init(loop: loop, descriptor: -1, events: 0)
        add(delay: max(delay, .zero))
    }

    override func fire(_ events: Int16) {
        body()
    }

    func cancel() {
        remove()
    }
}
