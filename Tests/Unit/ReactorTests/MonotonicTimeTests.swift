// Points in time and durations between them, also at the limits of 64 bits.

import Glibc
import Reactor
import Testing

@Suite struct `A point in time` {
    private let first = MonotonicTime(nanoseconds: 0)
    private let last = MonotonicTime(nanoseconds: .max)

    @Test func `is later than the one before`() {
        let earlier = MonotonicTime.now
        usleep(2_000)
        let later = MonotonicTime.now
        #expect(earlier < later)
        #expect(later.since(earlier) >= .milliseconds(2))
        #expect(later.since(earlier) < .seconds(60))
        #expect(earlier.since(later) == .zero)
        #expect(earlier.since(earlier) == .zero)
    }

    @Test func `is as far from another as was added`() {
        let start = MonotonicTime(nanoseconds: 1_000)
        for duration in [Duration.zero, .nanoseconds(1), .milliseconds(1_500), .seconds(86_400 * 365)] {
            #expect(start.advanced(by: duration).since(start) == duration)
        }
    }

    @Test func `has no span beyond 292 years`() {
        #expect(last.since(first) == .nanoseconds(Int64.max))
        #expect(first.since(last) == .zero)
        #expect(MonotonicTime(nanoseconds: UInt64(Int64.max)).since(first) == .nanoseconds(Int64.max))
        #expect(MonotonicTime(nanoseconds: UInt64(Int64.max) - 1).since(first) == .nanoseconds(Int64.max - 1))
    }

    @Test func `does not go back`() {
        let start = MonotonicTime(nanoseconds: 5)
        #expect(start.advanced(by: .seconds(-1)) == start)
        #expect(start.advanced(by: .seconds(Int64.min)) == start)
    }

    @Test func `does not wrap around where time ends`() {
        #expect(first.advanced(by: .seconds(Int64.max)) == MonotonicTime(nanoseconds: UInt64(Int64.max)))
        #expect(last.advanced(by: .nanoseconds(1)) == last)
        #expect(last.advanced(by: .seconds(Int64.max)) == last)
        let near = MonotonicTime(nanoseconds: .max - 5)
        #expect(near.advanced(by: .nanoseconds(5)) == last)
        #expect(near.advanced(by: .nanoseconds(6)) >= near)
    }
}

@Suite struct `A duration` {
    @Test func `has its nanoseconds`() {
        #expect(Duration.zero.wholeNanoseconds == 0)
        #expect(Duration.nanoseconds(1).wholeNanoseconds == 1)
        #expect(Duration.nanoseconds(-1).wholeNanoseconds == -1)
        #expect((Duration.seconds(-1) - .nanoseconds(5)).wholeNanoseconds == -1_000_000_005)
        #expect(Duration(secondsComponent: 0, attosecondsComponent: 999_999_999).wholeNanoseconds == 0)
        #expect(Duration.nanoseconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration.nanoseconds(Int64.min).wholeNanoseconds == .min)
        #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration.seconds(Int64.min).wholeNanoseconds == .min)
    }

    @Test func `just beyond 292 years has as many as there can be`() async {
        // Each runs in its own process, as the errors would end the process.
        await #expect(processExitsWith: .success) {
            exit((Duration.nanoseconds(Int64.max) + .nanoseconds(1)).wholeNanoseconds == .max ? 0 : 1)
        }
        await #expect(processExitsWith: .success) {
            exit((Duration.nanoseconds(Int64.min) - .nanoseconds(1)).wholeNanoseconds == .min ? 0 : 1)
        }
    }

    @Test func `reads in milliseconds and seconds`() {
        #expect(Duration.microseconds(1_500).milliseconds == 1.5)
        #expect(Duration.milliseconds(2_500).seconds == 2.5)
        #expect(Duration.milliseconds(-2_500).seconds == -2.5)
    }
}
