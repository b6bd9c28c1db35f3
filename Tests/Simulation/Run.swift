// A run of many schedules on all processors, and its statistics.

import CancelPolicy
import Foundation

/// The schedules of consecutive seeds.
final class Run: @unchecked Sendable {
    private let seed: UInt64
    private let count: Int
    private let lock = NSLock()
    private var total = Tally()
    private var next = 0

    private static let batch = 256
    private static let enoughFailures = 5

    init(seed: UInt64, count: Int) {
        (self.seed, self.count) = (seed, count)
    }

    /// Runs all of them, or until there are enough failures.
    func tally() -> Tally {
        let threads = ProcessInfo.processInfo.activeProcessorCount
        CrashNote.install(threads: threads)
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            var done = Tally()
            while let batch = take(done) {
                done = Tally()
                for index in batch where done.failures.count < Self.enoughFailures {
                    CrashNote.note(seed &+ UInt64(index), thread: thread)
                    done.add(seed &+ UInt64(index))
                }
            }
        }
        return total
    }

    /// Adds the statistics of one batch, and takes the next.
    private func take(_ done: Tally) -> Range<Int>? {
        lock.withLock {
            total.add(done)
            guard next < count, total.failures.count < Self.enoughFailures else { return nil }
            defer { next = min(count, next + Self.batch) }
            return next..<min(count, next + Self.batch)
        }
    }
}

/// The statistics of several schedules.
struct Tally: CustomStringConvertible {
    private(set) var schedules = 0
    private(set) var steps = 0
    private(set) var mostSteps = 0
    private(set) var outcomes: [Outcome: Int] = [:]
    private(set) var reasons: [EndReason: Int] = [:]
    private(set) var sslAnswers: Set<FakeListener.Answer> = []
    private(set) var failures: [String] = []

    mutating func add(_ other: Tally) {
        schedules += other.schedules
        steps += other.steps
        mostSteps = max(mostSteps, other.mostSteps)
        outcomes.merge(other.outcomes, uniquingKeysWith: +)
        reasons.merge(other.reasons, uniquingKeysWith: +)
        sslAnswers.formUnion(other.sslAnswers)
        failures += other.failures
    }

    /// Runs the schedule of one seed.
    mutating func add(_ seed: UInt64) {
        do {
            let world = try World(seed: seed)
            world.run()
            count(world)
            for invariant in Invariant.all {
                guard let finding = invariant.check(world) else { continue }
                failures.append("PGLEASH_SCHEDULE=\(seed): \(invariant.name): \(finding)")
            }
        } catch {
            failures.append("PGLEASH_SCHEDULE=\(seed): \(error)")
        }
    }

    private mutating func count(_ world: World) {
        schedules += 1
        steps += world.steps
        mostSteps = max(mostSteps, world.steps)
        sslAnswers.formUnion(world.facts.sslAnswers)
        for reaped in world.facts.reaped { outcomes[reaped.outcome, default: 0] += 1 }
        for reason in world.facts.reasons.values.joined() { reasons[reason, default: 0] += 1 }
    }

    var description: String {
        let outcomes = Outcome.allCases.map { "\($0.rawValue) \(self.outcomes[$0, default: 0])" }
        let reasons = EndReason.allCases.map { "\($0.rawValue) \(self.reasons[$0, default: 0])" }
        return "\(schedules) in \(steps) steps, at most \(mostSteps); "
            + "orphans: \(outcomes.joined(separator: ", ")); sessions: \(reasons.joined(separator: ", "))"
    }
}
