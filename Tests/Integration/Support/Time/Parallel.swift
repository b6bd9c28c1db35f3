// Test code on several threads at once. Their errors are thrown on the test's own thread, where they are recorded.

import Foundation
import Synchronization

/// Calls `body` with 0, 1, 2 … on as many threads, and waits for all of them.
///
/// - Throws: the first error of any.
func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let tasks = (0..<count).map { number in ParallelTask { try body(number) } }
    for task in tasks { task.waitForEnd() }
    for task in tasks { try task.join() }
}

/// A thread with a task.
final class ParallelTask: Sendable {
    private let failure = Mutex<(any Error)?>(nil)
    private let end = DispatchGroup()

    init(_ body: @escaping @Sendable () throws -> Void) {
        end.enter()
        Thread.detachNewThread { [self] in
            do { try body() } catch { failure.withLock { $0 = error } }
            end.leave()
        }
    }

    /// Waits for its end, and ignores its result.
    func waitForEnd() { end.wait() }

    /// Waits for its end, and throws its error.
    func join() throws {
        waitForEnd()
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
