// A regular call: a timerfd that the loop reads.

import CLibevent
import Glibc

/// The Ticker of LibeventLoop.
final class TimerfdTicker: CounterSource, Ticker {
    private var isRunning = false

    init(loop: LibeventLoop, _ body: @escaping () -> Void) throws(SystemError) {
        let descriptor = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK | TFD_CLOEXEC))
        try super.init(loop: loop, descriptor: descriptor, body)
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

    /// Zero stops the timer.
    private func set(_ interval: Duration) {
        let (seconds, attoseconds) = interval.components
        let pause = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        var setting = itimerspec(it_interval: pause, it_value: pause)
        unsafe timerfd_settime(descriptor, 0, &setting, nil)
    }
}
