// Waiting for a condition with a deadline, and measuring durations.

import Glibc

/// A point in time at which a wait ends.
struct Deadline {
    private let clock = ContinuousClock()
    private let end: ContinuousClock.Instant

    init(after duration: Duration) {
        end = clock.now.advanced(by: duration)
    }

    var hasPassed: Bool { clock.now >= end }

    /// The remaining time for poll(2); 0 after the deadline.
    var milliseconds: Int32 {
        Int32(max(0, clock.now.duration(to: end) / .milliseconds(1)).rounded(.up))
    }
}

/// A condition that was not satisfied in time.
struct TimedOut: Error, CustomStringConvertible {
    let description: String
}

/// Polls until `condition` returns a value.
///
/// - Throws: `TimedOut` when it does not within `duration`; `what` names the condition.
@discardableResult
func wait<Value>(
    for what: @autoclosure () -> String,
    within duration: Duration = .seconds(10),
    pause: Duration = .milliseconds(2),
    until condition: () throws -> Value?
) throws -> Value {
    let deadline = Deadline(after: duration)
    while true {
        if let value = try condition() { return value }
        if deadline.hasPassed { throw TimedOut(description: "\(what()) did not happen within \(duration)") }
        rest(pause)
    }
}

/// As above, for a condition without a value.
func wait(
    for what: @autoclosure () -> String,
    within duration: Duration = .seconds(10),
    pause: Duration = .milliseconds(2),
    until condition: () throws -> Bool
) throws {
    try wait(for: what(), within: duration, pause: pause) { try condition() ? () : nil }
}

/// Whether `condition` holds each time it is checked, for the time of `duration`.
func holds(for duration: Duration, pause: Duration = .milliseconds(20), _ condition: () throws -> Bool) rethrows -> Bool
{
    let deadline = Deadline(after: duration)
    while !deadline.hasPassed {
        guard try condition() else { return false }
        rest(pause)
    }
    return true
}

/// Yields the processor for a moment.
func rest(_ duration: Duration) {
    usleep(UInt32(duration / .microseconds(1)))
}

/// The duration of `body`.
func timed(_ body: () throws -> Void) rethrows -> Duration {
    try ContinuousClock().measure(body)
}

extension Duration {
    var milliseconds: Double { self / .milliseconds(1) }
}

extension [Duration] {
    /// The median and the maximum, in words.
    var summary: String {
        let sorted = sorted()
        guard let last = sorted.last else { return "no measurement" }
        if count == 1 { return "\(rounded(last.milliseconds)) ms" }
        let median = sorted[sorted.count / 2].milliseconds
        return "median \(rounded(median)) ms, longest \(rounded(last.milliseconds)) ms of \(count)"
    }
}

private func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
