// The ways a client goes that isn't killed.

import PostgresProtocol
import TestSupport

/// With a word or without, with FIN or RST.
enum Farewell: CaseIterable {
    case terminate, terminateThenReset, fin, reset

    /// All of them in turn.
    static func inTurn(_ number: Int) -> Farewell { allCases[number % allCases.count] }
}

extension RawClient {
    /// Ends the connection in this way.
    func leave(_ farewell: Farewell) throws {
        switch farewell {
        case .terminate:
            try send(Frontend.terminate)
            close()
        case .terminateThenReset:
            try send(Frontend.terminate)
            reset()
        case .fin: close()
        case .reset: reset()
        }
    }
}
