// A wake-up from another thread: an eventfd that the loop reads.

import CLibevent
import Glibc

/// The real Wakeup.
///
/// Unchecked, because the event of the superclass belongs to the loop's thread; `wake` touches the descriptor alone,
/// which lives as long as this object.
final class EventfdWakeup: EventSource, Wakeup, @unchecked Sendable {
    private let descriptor: Int32
    private let body: () -> Void

    init(loop: LibeventLoop, _ body: @escaping () -> Void) throws(SystemError) {
        let descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
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

    func wake() {
        // It fails only when the counter is full, and then the loop has been told.
        _ = eventfd_write(descriptor, 1)
    }

    override func fire(_ events: Int16) {
        var count: eventfd_t = 0
        unsafe eventfd_read(descriptor, &count)
        body()
    }
}
