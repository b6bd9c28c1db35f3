// What a cancel costs on this machine while the tests run, with nothing between: the measure the figures are held to
// where a machine is slow or has other work.

import PostgresProtocol
import TestSupport

/// A client that cancels its own query, connected to the server directly and without TLS.
final class CancelFloor {
    private let server: PrivatePostgres
    private let isEncrypted: Bool
    private let client: RawClient
    private(set) var times: [Duration] = []

    /// - Parameter isEncrypted: a cancel over TLS is the measure. libpq can't send one before its version 17; what TLS
    ///   adds is in what a connection over it takes.
    init(_ server: PrivatePostgres, isEncrypted: Bool = false) throws {
        (self.server, self.isEncrypted) = (server, isEncrypted)
        client = try RawClient(port: server.port)
        try client.startUp(name: "floor")
    }

    /// Takes one time, as PQcancel() and a ReadyForQuery take it.
    func measure() throws {
        try client.send(Frontend.query("SELECT pg_sleep(600)"))
        try wait(for: "the floor's query", pause: .microseconds(300)) {
            try server.count("pid = \(client.backendPID) AND wait_event = 'PgSleep'") == 1
        }
        times.append(
            try timed {
                let cancel = try RawClient(port: server.port)
                try cancel.send(Frontend.cancelRequest(client.key))
                try client.read(until: BackendKind.readyForQuery)
                // As PQcancel() waits. The backend is signalled twice, itself and its process group; by now both have
                // happened.
                _ = try cancel.readToEnd()
                if isEncrypted { _ = try LibpqClient(port: server.port, name: "floor", more: "sslmode=require") }
            }
        )
    }
}
