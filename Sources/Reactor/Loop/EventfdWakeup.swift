// A wake-up from another thread: an eventfd that the loop reads.

import CLibevent
import Glibc

/// The real Wakeup.
///
/// Unchecked, because the event of the superclass belongs to the loop's thread; `wake` touches the descriptor alone,
/// which lives as long as this object.
final class EventfdWakeup: CounterSource, Wakeup, @unchecked Sendable {
    init(loop: LibeventLoop, _ body: @escaping () -> Void) throws(SystemError) {
        try super.init(loop: loop, descriptor: eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)), body)
    }

    func wake() {
        // It fails only when the counter is full, and then the loop has been told.
        _ = eventfd_write(descriptor, 1)
    }
}
