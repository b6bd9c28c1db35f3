// How a client goes: the columns of the matrix.

import TestSupport

/// A way to go.
enum Departure: String, CaseIterable, Sendable {
    case fin = "FIN"
    case reset = "RST"
    case kill = "SIGKILL"
    case terminate = "Terminate, FIN"
    case halfClose = "half-close"
    /// No packet ever comes again. What makes a host dead is the network, so many clients go at once.
    case deadHost = "dead host"

    /// Those of a client that does it all by itself.
    static let ofSocket: [Departure] = [.fin, .reset, .terminate, .halfClose]

    /// The one of a client that is nothing but a socket of ours. The others need a process or a network.
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
