// A wake-up from another thread: an eventfd that the loop reads.

import CLibevent
import Glibc

/// The Wakeup of LibeventLoop.
///
/// Unchecked, because the event of the superclass belongs to the loop's thread; `wake` accesses only the descriptor,
/// which lives as long as this object.
final class EventfdWakeup: CounterSource, Wakeup, @unchecked Sendable {
    init(loop: LibeventLoop, _ body: @escaping () -> Void) throws(SystemError) {
        try super.init(loop: loop, descriptor: eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)), body)
    }

    func wake() {
        // This fails only when the counter is full, and then the loop has a wake-up pending.
        _ = eventfd_write(descriptor, 1)
    }
}
