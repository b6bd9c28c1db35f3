// A kernel counter that the loop reads: an eventfd or a timerfd.

import CLibevent
import Glibc

/// Calls `body` in the loop whenever the counter has been raised, and sets it back to zero.
class CounterSource: EventSource {
    let descriptor: Int32
    private let body: () -> Void

    /// Takes over a new, non-blocking descriptor; a negative one throws the error in errno.
    init(loop: LibeventLoop, descriptor: Int32, _ body: @escaping () -> Void) throws(SystemError) {
        guard descriptor >= 0 else { throw .last }
        self.descriptor = descriptor
        self.body = body
        super.init(loop: loop, descriptor: descriptor, events: Int16(EV_READ) | Int16(EV_PERSIST))
        add()
    }

    deinit {
        freeEvent()
        closeDescriptor(descriptor)
    }

    override func fire(_ events: Int16) {
        var count: UInt64 = 0
        // The counter is zero when a timer was stopped after the wait had ended.
        guard unsafe read(descriptor, &count, MemoryLayout.size(ofValue: count)) > 0 else { return }
        body()
    }
}
