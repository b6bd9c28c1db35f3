// How much may be read ahead of servers that don't read, over all workers.

import Synchronization

/// The memory for what clients sent while their servers are not reading.
package final class ReadAheadLimit: Sendable {
    private let limit: Int
    private let taken = Atomic<Int>(0)

    /// - Parameter limit: in bytes.
    package init(_ limit: Int) {
        self.limit = limit
    }

    /// Whether so many bytes more are within the limit. Each worker may find so at the same moment, and go beyond it by
    /// what it receives at a time.
    func hasRoom(for count: Int) -> Bool {
        taken.load(ordering: .relaxed) + count <= limit
    }

    func take(_ count: Int) {
        taken.wrappingAdd(count, ordering: .relaxed)
    }

    func giveBack(_ count: Int) {
        taken.wrappingSubtract(count, ordering: .relaxed)
    }
}
