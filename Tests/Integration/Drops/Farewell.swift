// The ways in which a client ends its connection without being killed.

import PostgresProtocol
import TestSupport

/// With or without Terminate, with FIN or RST.
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
