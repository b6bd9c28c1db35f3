// A client whose short queries must be answered while other events take place.

import Foundation
import PostgresProtocol
import Synchronization
import TestSupport

/// One session, or one after the other, on its own thread, from the start to `stop`.
final class Bystander: Sendable {
    private static let pause = Duration.milliseconds(2)

    private let isStopping = Atomic<Bool>(false)
    private let times = Mutex<[Duration]>([])
    private let hits = Mutex<[String]>([])
    private let task = Mutex<ParallelTask?>(nil)

    /// Returns when the first answer is there.
    ///
    /// - Parameter queriesPerSession: after this number it ends the session and begins another, and after any other
    ///   reply, too; nil for one session.
    init(port: UInt16, name: String = "bystander", queriesPerSession: Int? = nil) throws {
        let task = ParallelTask { [self] in
            guard let queriesPerSession else { return try ask(port, name) }
            while !isStopping.load(ordering: .relaxed) {
                do {
                    try ask(port, name, queries: queriesPerSession)
                } catch {
                    hits.withLock { $0.append("\(error)") }
                }
            }
        }
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

    private func ask(_ port: UInt16, _ name: String, queries: Int = .max) throws {
        let client = try RawClient(port: port)
        try client.startUp(name: name)
        var number = 0
        while number < queries, !isStopping.load(ordering: .relaxed) {
            number += 1
            var answer: [Message] = []
            let time = try MachinePauses.shared.timed {
                try client.send(Frontend.query("SELECT \(number)"))
                answer = try client.read(until: BackendKind.readyForQuery)
            }
            guard answer.map(\.kind) == Array("TDCZ".utf8), answer[1].body.ends(with: "\(number)") else {
                throw TimedOut(description: "\(name) got \(answer.map(\.text))")
            }
            times.withLock { $0.append(time) }
            rest(Self.pause)
        }
        try client.send(Frontend.terminate)
    }

    /// Ends the session.
    ///
    /// - Returns: the wait for each of its replies, without pauses of the machine.
    /// - Throws: the message in place of a reply.
    @discardableResult
    func stop() throws -> [Duration] {
        isStopping.store(true, ordering: .relaxed)
        try task.withLock { $0 }?.join()
        return times.withLock { $0 }
    }

    /// Ends it where it has many sessions.
    ///
    /// - Returns: the messages in place of replies.
    func stopAfterHits() throws -> [String] {
        try stop()
        return hits.withLock { $0 }
    }

    /// Waits for the end of its session by the other side.
    func waitForEnd() {
        task.withLock { $0 }?.waitForEnd()
    }
}

extension Message {
    /// The type and, for an error, its text.
    fileprivate var text: String {
        let kind = String(UnicodeScalar(kind))
        return kind == "E" ? "E \(field("C")) \(field("M"))" : kind
    }
}

extension [UInt8] {
    fileprivate func ends(with text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
