// A regular call: a timerfd that the loop reads.

import CLibevent
import Glibc

/// The real Ticker.
final class TimerfdTicker: EventSource, Ticker {
    private let descriptor: Int32
    private let body: () -> Void
    private var isRunning = false

    init(loop: LibeventLoop, _ body: @escaping () -> Void) throws(SystemError) {
        let descriptor = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK | TFD_CLOEXEC))
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

    func start(every interval: Duration) {
        guard !isRunning else { return }
        isRunning = true
        set(interval)
    }

    func stop() {
        isRunning = false
        set(.zero)
    }

    /// With zero it stands still.
    private func set(_ interval: Duration) {
        let (seconds, attoseconds) = interval.components
        let pause = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        var setting = itimerspec(it_interval: pause, it_value: pause)
        unsafe timerfd_settime(descriptor, 0, &setting, nil)
    }

    override func fire(_ events: Int16) {
        var ticks: UInt64 = 0
        // Nothing is there when it was stopped after the wait had ended.
        guard unsafe read(descriptor, &ticks, MemoryLayout.size(ofValue: ticks)) > 0 else { return }
        body()
    }
}
