// Numbers that one thread writes and any thread reads.

import Synchronization

/// A counter, or a gauge. One thread writes it, so a write is a load and a store without a locked instruction.
///
/// It is public, as the compiler inlines nothing `package` into other modules, and each message is counted.
public final class Counter: Sendable {
    @usableFromInline let atomic = Atomic<Int64>(0)

    package init() {}

    /// Adds `amount`, which can be negative for a gauge. Called on the writing thread only.
    @inlinable public func add(_ amount: Int64 = 1) {
        atomic.store(atomic.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    package var value: Int64 { atomic.load(ordering: .relaxed) }
}

/// A counter for each case of an enumeration. It is public for the same reason.
public struct CounterFamily<Label: CaseIterable & RawRepresentable<String> & Sendable>: Sendable {
    @usableFromInline let counters: [String: Counter]

    package init() {
        counters = Dictionary(uniqueKeysWithValues: Label.allCases.map { ($0.rawValue, Counter()) })
    }

    /// The counter of `label`.
    @inlinable public subscript(label: Label) -> Counter {
        guard let counter = counters[label.rawValue] else { preconditionFailure("every case has its counter") }
        return counter
    }
}

/// The number of observations below each of a fixed set of bounds, as in Prometheus' histograms.
package struct Histogram: Sendable {
    /// The bounds in seconds, from one round trip on the loopback device to the default timeout of a reaper.
    package static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// One counter for each bound and one for larger values; not cumulative.
    package let counts = (0...bounds.count).map { _ in Counter() }
    package let sumOfMicroseconds = Counter()

    package init() {}

    package func observe(_ duration: Duration) {
        let seconds = duration / .seconds(1)
        counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count].add()
        sumOfMicroseconds.add(Int64(duration / .microseconds(1)))
    }
}
