// A limited amount that several threads share.

import Synchronization

/// An amount, such as a number of sessions or bytes, that any thread acquires and releases.
package final class Quota: Sendable {
    private let limit: Int
    private let acquired = Atomic<Int>(0)

    package init(_ limit: Int = .max) {
        self.limit = limit
    }

    /// The amount that is acquired now.
    package var used: Int { acquired.load(ordering: .relaxed) }

    /// Acquires 1 if the limit allows it.
    ///
    /// - Returns: whether it was acquired. If so, the caller must release it.
    package func tryAcquire() -> Bool {
        guard acquired.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
            release()
            return false
        }
        return true
    }

    /// Acquires `amount`, also where this exceeds the limit.
    package func acquire(_ amount: Int = 1) {
        acquired.wrappingAdd(amount, ordering: .relaxed)
    }

    package func release(_ amount: Int = 1) {
        acquired.wrappingSubtract(amount, ordering: .relaxed)
    }

    /// Whether the limit allows `amount` more. Several threads can get this answer at the same time and together exceed
    /// the limit.
    package func hasRoom(for amount: Int) -> Bool { used + amount <= limit }
}
