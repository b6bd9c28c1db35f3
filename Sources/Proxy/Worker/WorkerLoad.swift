// How many sessions a worker has, known on both threads: the one that gives and the one that ends.

import Synchronization

/// The sessions given to a worker and not yet ended.
package final class WorkerLoad: Sendable {
    private let sessions = Atomic<Int>(0)

    package init() {}

    package func enter() {
        sessions.wrappingAdd(1, ordering: .relaxed)
    }

    package func leave() {
        sessions.wrappingSubtract(1, ordering: .relaxed)
    }

    package var count: Int { sessions.load(ordering: .relaxed) }
}
