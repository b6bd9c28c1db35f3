// Numbers that one thread writes and any thread reads.

import Reactor
import Synchronization

/// A count that only grows, or a gauge. One thread writes it, so a write is a load and a store, no locked instruction.
package final class Counter: Sendable {
    private let atomic = Atomic<Int64>(0)

    package init() {}

    package func add(_ amount: Int64 = 1) {
        atomic.store(atomic.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    package var value: Int64 { atomic.load(ordering: .relaxed) }
}

/// A counter for each case of an enumeration.
package struct CounterFamily<Label: CaseIterable & RawRepresentable<String> & Sendable>: Sendable {
    private let counters: [String: Counter]

    package init() {
        counters = Dictionary(uniqueKeysWithValues: Label.allCases.map { ($0.rawValue, Counter()) })
    }

    package subscript(label: Label) -> Counter {
        guard let counter = counters[label.rawValue] else { preconditionFailure("every case has its counter") }
        return counter
    }
}

/// How many observations fell below each of a fixed set of bounds, as Prometheus' histograms count.
package struct Histogram: Sendable {
    /// Seconds. From one round trip on loopback to the default time at which a reaper gives up.
    package static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// One for each bound and one for what is above them all; not cumulative.
    package let counts = (0...bounds.count).map { _ in Counter() }
    package let sumOfMicroseconds = Counter()

    package init() {}

    package func observe(_ duration: Duration) {
        let seconds = duration.seconds
        counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count].add()
        sumOfMicroseconds.add(duration.wholeNanoseconds / 1000)
    }
}
