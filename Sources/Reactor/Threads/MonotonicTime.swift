// A point in time on the monotonic clock.

import Glibc

/// Nanoseconds on CLOCK_MONOTONIC; only differences mean anything.
package struct MonotonicTime: Comparable, Hashable, Sendable {
    package let nanoseconds: UInt64

    package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The time of this call.
    package static var now: MonotonicTime {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    /// The time since the clock's start; only differences mean anything.
    package var sinceBeginning: Duration { .nanoseconds(Int64(clamping: nanoseconds)) }

    package static func < (left: Self, right: Self) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The time from `earlier` to this; zero when `earlier` is later.
    package func since(_ earlier: MonotonicTime) -> Duration {
        .nanoseconds(Int64(clamping: nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0))
    }

    /// The time that is `duration` earlier; the clock's start if there is none.
    package func earlier(by duration: Duration) -> MonotonicTime {
        let nanoseconds = UInt64(clamping: duration.wholeNanoseconds)
        return MonotonicTime(nanoseconds: self.nanoseconds > nanoseconds ? self.nanoseconds - nanoseconds : 0)
    }

    package func advanced(by duration: Duration) -> MonotonicTime {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(UInt64(clamping: duration.wholeNanoseconds))
        return MonotonicTime(nanoseconds: overflow ? .max : sum)
    }
}

extension Duration {
    /// Nanoseconds, within the range of 64 bits (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowsToo) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        guard !overflow, !overflowsToo else { return seconds < 0 ? .min : .max }
        return sum
    }

    /// Milliseconds with a fraction, for display.
    package var milliseconds: Double { Double(wholeNanoseconds) / 1e6 }

    /// Seconds with a fraction, the unit of Prometheus.
    package var seconds: Double { Double(wholeNanoseconds) / 1e9 }
}
