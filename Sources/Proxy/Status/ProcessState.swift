// The phase of the process, which its health endpoints tell.

import Synchronization

/// Written by the supervisor, read by any thread.
final class ProcessState: Sendable {
    enum Phase: Int {
        /// The listeners do not accept clients yet.
        case starting
        case serving
        /// A signal has come; no client is accepted any more.
        case stopping
    }

    private let rawPhase = Atomic(Phase.starting.rawValue)

    var phase: Phase { Phase(rawValue: rawPhase.load(ordering: .relaxed)) ?? .starting }

    func enter(_ phase: Phase) { rawPhase.store(phase.rawValue, ordering: .relaxed) }
}
