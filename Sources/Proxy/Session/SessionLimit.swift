// How many sessions there may be at a time, over all workers.

import Synchronization

/// The places for sessions that have gone past their start-up packet.
package final class SessionLimit: Sendable {
    private let limit: Int
    private let taken = Atomic<Int>(0)

    package init(_ limit: Int) {
        self.limit = limit
    }

    /// Takes a place, if there is one; `leave` gives it back.
    package func enter() -> Bool {
        guard taken.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
            leave()
            return false
        }
        return true
    }

    package func leave() {
        taken.wrappingSubtract(1, ordering: .relaxed)
    }
}
