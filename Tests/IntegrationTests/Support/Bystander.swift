// A client that only wants its `SELECT 1` answered, again and again, while something else is going on.

import Foundation
import PostgresWire
import Synchronization

/// One session on a thread of its own, from the start to `stop`.
final class Bystander: Sendable {
    private static let pause = Duration.milliseconds(2)

    private let isStopping = Atomic<Bool>(false)
    private let times = Mutex<[Duration]>([])
    private let task = Mutex<ParallelTask?>(nil)

    /// Returns when the first answer is there.
    init(port: UInt16, name: String = "bystander") throws {
        let task = ParallelTask { [self] in try ask(port, name) }
        self.task.withLock { $0 = task }
        do {
            try wait(for: "the first answer to \(name)") { times.withLock { !$0.isEmpty } }
        } catch {
            try stop()
            throw error
        }
    }

    deinit {
        isStopping.store(true, ordering: .relaxed)
    }

    private func ask(_ port: UInt16, _ name: String) throws {
        let client = try RawClient(port: port)
        try client.startUp(name: name)
        while !isStopping.load(ordering: .relaxed) {
            var answer: [UInt8] = []
            let time = try MachinePauses.shared.timed {
                try client.send(Frontend.query("SELECT 1"))
                answer = try client.read(until: BackendKind.readyForQuery).map(\.kind)
            }
            guard answer == Array("TDCZ".utf8) else { throw TimedOut(description: "\(name) got \(answer)") }
            times.withLock { $0.append(time) }
            rest(Self.pause)
        }
        try client.send(Frontend.terminate)
    }

    /// Ends the session.
    ///
    /// - Returns: how long it waited for each of its answers, but for pauses of the machine.
    /// - Throws: what came in the place of an answer.
    @discardableResult
    func stop() throws -> [Duration] {
        isStopping.store(true, ordering: .relaxed)
        try task.withLock { $0 }?.join()
        return times.withLock { $0 }
    }

    /// Waits for the end of its session by the other side.
    func waitForEnd() {
        task.withLock { $0 }?.waitForEnd()
    }
}
