// The rules for every session, as texts and conditions. DrivenSession checks them at each step.

import CancelPolicy
import PostgresProtocol
import Reactor

extension DrivenSession {
    /// The longest time that a busy session has no cancel after one was requested, plus the delay of a wake-up.
    private static let longestRest = Duration.milliseconds(1005)

    func checkRule(_ isKept: Bool, _ rule: String) throws(Violation) {
        try check(isKept, "\(rule): \(self)")
    }

    /// A cancel is requested.
    func checkCancel() throws(Violation) {
        try checkRule(stage == .reaping, "nothing is cancelled for a client that is there, or after the end")
        try checkRule(!state.tracker.isAtRest, "only a busy session is cancelled")
        try checkRule(!isExcluded, "a session that is left out is never cancelled")
        try checkRule(now >= grace, "nothing is cancelled within the grace")
        try checkRule(state.tracker.cancelKey != nil || monitor != nil, "nothing is cancelled without a key")
        try checkRule(order == nil, "one cancel is under way at a time")
        try checkRule(endsSent == 0, "nothing is cancelled after the end of the backend")
        try checkRule(state.cancelTiming != .never, "a statement that controls a transaction is never cancelled")
        try checkRule(now < timeout, "nothing is cancelled after the deadline")
    }

    /// The end of the backend is requested.
    func checkEnd() throws(Violation) {
        try checkRule(stage == .reaping, "no backend is ended for a client that is there")
        try checkRule(!state.tracker.isAtRest, "only a busy backend is ended")
        try checkRule(!isExcluded, "a session that is left out is never ended")
        try checkRule(now >= grace && now < timeout, "a backend is ended after the grace and before the deadline")
        try checkRule(order == nil, "one order is under way at a time")
        let outstanding = state.tracker.outstanding
        let others = outstanding.requests.count > (outstanding.isStartingUp ? 0 : 1)
        let mayEnd = endsOrdered > 0 || cancelsSent > 0 || others
        try checkRule(monitor != nil && mayEnd, "a backend is ended that ignores cancels, or has more to do")
    }

    /// The connection to the server broke, and cancels continue over others.
    func checkLoss(_ loss: SessionState.Loss) throws(Violation) {
        try checkRule(!state.tracker.isAtRest, "only a busy session has something to lose")
        try checkRule(!isExcluded, "a session that is left out is never cancelled")
        try checkRule(state.tracker.cancelKey != nil, "nothing is cancelled without a key")
        try checkRule(!hasEndedStream, "after the end of the stream the key may mean nothing")
        guard let delay = loss.delay else { return }
        try checkRule(state.cancelTiming != .never, "a statement that controls a transaction is never cancelled")
        try checkRule(now + delay >= grace, "a grace is kept")
    }

    /// A message is sent in the client's place.
    func checkMessages(_ bytes: [UInt8]) throws(Violation) {
        if let cut {
            let rest = cut.restOfCopyData.map { $0 + LastMessages.copyFail } ?? []
            let isEnded = !rest.isEmpty && bytes.starts(with: rest)
            try checkRule(isEnded, "after a part of a message only its rest can follow, and the end of the copy")
        }
        try checkRule(!hasEndedStream, "after the end of the stream nothing follows")
        try checkRule(!bytes.isEmpty, "what is said has bytes")
        try checkRule(!state.tracker.outstanding.awaitsClient, "the server has nothing to wait for after it")
    }

    /// pgleash's half of the stream to the server must end.
    func checkEndOfStream() throws(Violation) {
        try checkRule(!hasEndedStream, "our half of the stream ends once")
        let mustEnd = cut != nil || state.tracker.outstanding.isStartingUp
        try checkRule(mustEnd, "the stream ends where no message can follow")
    }

    /// The reaping ends.
    func checkOutcome(_ outcome: Outcome) throws(Violation) {
        switch outcome {
        case .cancelled: try checkRule(hasFailed && state.tracker.isAtRest, "cancelled is what failed after a cancel")
        case .finished: try checkRule(!hasFailed && state.tracker.isAtRest, "finished is what a cancel did not end")
        case .serverClosed: break
        case .unreachable: throw Violation("only a session that can't be read is out of the monitor's reach")
        case .terminated: try checkRule(endsOrdered > 0, "terminated is a backend that was ended")
        case .unconfirmed: try checkRule(hasEndedStream, "what can be cancelled yet is not left")
        case .excluded: try checkRule(isExcluded && cancelsOrdered == 0, "only who is left out is let run")
        case .noKey: try checkRule(state.tracker.cancelKey == nil, "a key that is there is used")
        case .gaveUp:
            try checkRule(now >= timeout && !state.tracker.isAtRest, "given up is who is busy at the deadline")
        }
    }

    /// An event has happened, and its consequences are computed.
    func checkStage() throws(Violation) {
        try checkRule(drops == outcomes + (stage == .reaping ? 1 : 0), "each drop has one outcome, or is being reaped")
        switch stage {
        case .relaying: try checkRule(order == nil && timer == nil, "while the client is there, nothing is cancelled")
        case .ended: try checkRule(timer == nil && outcomes <= 1, "an end is an end")
        case .reaping: try checkReaping()
        }
    }

    private func checkReaping() throws(Violation) {
        guard let timer else { throw Violation("a reaping waits for a time: \(self)") }
        try checkRule(timer <= timeout, "a reaping looks up at its deadline")
        guard order == nil, state.reaper?.hasBegun == true else { return }
        try checkRule(!state.tracker.isAtRest, "a reaping ends when nothing is owed and no cancel is under way")
        let latest = max(now + Self.longestRest, grace)
        try checkRule(timer <= latest || state.cancelTiming == .never, "who is still busy is cancelled again")
    }
}
