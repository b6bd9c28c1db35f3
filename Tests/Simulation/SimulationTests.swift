// The real worker, sessions, dispatcher and connectors in many simulated worlds, each from its own seed, with the
// invariants at the end of each.

import CancelPolicy
import Foundation
import Testing

@Suite struct `In a simulated world` {
    @Test func `no schedule breaks an invariant`() throws {
        if let seed = Settings.schedule { return try replay(seed) }
        print("schedules: PGLEASH_SEED=\(Settings.seed) PGLEASH_SCHEDULES=\(Settings.schedules)")
        let start = ContinuousClock.now
        let tally = Run(seed: Settings.seed, count: Settings.schedules).tally()
        print("schedules: \(tally) in \(ContinuousClock.now - start)")
        for failure in tally.failures { Issue.record("\(failure)") }
        guard Settings.schedules >= 10_000 else { return }
        // An event that never occurs is not tested.
        #expect(Outcome.allCases.filter { $0 != .unreachable && tally.outcomes[$0] == nil } == [])
        // There are no certificates, so no client requests TLS or needs it.
        #expect(EndReason.allCases.filter { tally.reasons[$0] == nil } == [.sslFailed, .sslRequired])
        #expect(FakeListener.Answer.allCases.filter { !tally.sslAnswers.contains($0) } == [])
    }

    private func replay(_ seed: UInt64) throws {
        let world = try World(seed: seed, isTraced: true)
        world.run()
        for invariant in Invariant.all {
            guard let finding = invariant.check(world) else { continue }
            Issue.record("PGLEASH_SCHEDULE=\(seed): \(invariant.name): \(finding)")
        }
    }
}

/// The parameters of the run, from the environment.
private enum Settings {
    static let schedules = Int(ProcessInfo.processInfo.environment["PGLEASH_SCHEDULES"] ?? "") ?? 100_000
    /// The same seed for every run, so that a failure is caused by the change; `PGLEASH_SEED=random` draws others.
    static let seed: UInt64 = {
        let word = ProcessInfo.processInfo.environment["PGLEASH_SEED"] ?? "1"
        return UInt64(word) ?? UInt64.random(in: 0 ... .max)
    }()
    /// One schedule to replay, with a trace.
    static let schedule = UInt64(ProcessInfo.processInfo.environment["PGLEASH_SCHEDULE"] ?? "")
}
