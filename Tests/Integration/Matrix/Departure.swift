// The ways in which a client leaves: the columns of the matrix.

import TestSupport

/// A way to leave.
enum Departure: String, CaseIterable, Sendable {
    case fin = "FIN"
    case reset = "RST"
    case kill = "SIGKILL"
    case terminate = "Terminate, FIN"
    case halfClose = "half-close"
    /// No packet arrives any more. A dead host is simulated by its network, so many clients leave at once.
    case deadHost = "dead host"

    /// Those of a client that needs no help.
    static let ofSocket: [Departure] = [.fin, .reset, .terminate, .halfClose]

    /// The one of a client that is only a socket of the test. The others need a process or a network.
    func callAsFunction(_ client: RawClient) throws {
        switch self {
        case .fin, .kill: client.close()
        case .reset: client.reset()
        case .terminate:
            try client.send(Frontend.terminate)
            client.close()
        case .halfClose: client.shutdownSending()
        case .deadHost: break
        }
    }
}
