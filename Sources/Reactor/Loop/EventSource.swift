// The owner of one libevent `struct event`, and the only place where C calls Swift.

import CLibevent

/// An object that a loop watches. A subclass defines the events and handles them in `fire`.
///
/// The event holds an unretained reference to this object. That is sound because the event is freed first: `deinit`
/// frees it, and a running callback keeps the object alive until it returns.
@safe package class EventSource {
    /// A reference, as the event must be freed before its loop.
    let loop: LibeventLoop
    private var event: OpaquePointer?

    /// - Parameter descriptor: a descriptor, the number of a signal, or -1 for a timer.
    init(loop: LibeventLoop, descriptor: Int32, events: Int16) {
        self.loop = loop
        unsafe event = nil
        let myself = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe event = event_new(loop.base, descriptor, events, Self.callback, myself)
        unsafe precondition(event != nil, "out of memory")
    }

    deinit {
        freeEvent()
    }

    /// Handles the event; the flags are libevent's EV_READ and so on.
    func fire(_ events: Int16) {
        preconditionFailure("a subclass does this")
    }

    /// Starts watching, for at most `delay` where it is given.
    func add(delay: Duration? = nil) {
        guard let event = unsafe event else { return }
        guard let delay else {
            unsafe event_add(event, nil)
            return
        }
        let (seconds, attoseconds) = delay.components
        var timeout = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        unsafe event_add(event, &timeout)
    }

    /// Stops watching.
    func remove() {
        guard let event = unsafe event else { return }
        unsafe event_del(event)
    }

    /// Watches `descriptor` for `events` from now on; stops watching if there are none.
    func change(descriptor: Int32, events: Int16) {
        guard let event = unsafe event else { return }
        unsafe event_del(event)
        guard events & ~(Int16(EV_PERSIST) | Int16(bitPattern: UInt16(EV_ET))) != 0 else { return }
        let myself = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe event_assign(event, loop.base, descriptor, events, Self.callback, myself)
        unsafe event_add(event, nil)
    }

    /// Frees the event before the object is released; it does not fire after this.
    func freeEvent() {
        guard let event = unsafe event else { return }
        unsafe event_free(event)
        unsafe self.event = nil
    }

    private static let callback: event_callback_fn = { _, events, source in
        guard let source = unsafe source else { return }
        unsafe Unmanaged<EventSource>.fromOpaque(source).takeUnretainedValue().fire(events)
    }
}
