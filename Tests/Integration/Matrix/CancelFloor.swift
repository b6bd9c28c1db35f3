// The cost of a cancel on this machine during the tests, without pgleash: the bounds on a slow or busy machine are
// relative to it.

import PostgresProtocol
import TestSupport

/// A client that cancels its own query, connected to the server directly and without TLS.
final class CancelFloor {
    private let server: PrivatePostgres
    private let isEncrypted: Bool
    private let client: RawClient
    private(set) var times: [Duration] = []

    /// - Parameter isEncrypted: the reference is a cancel over TLS. libpq supports this from version 17 on; otherwise
    ///   the time of a TLS connection is added.
    init(_ server: PrivatePostgres, isEncrypted: Bool = false) throws {
        (self.server, self.isEncrypted) = (server, isEncrypted)
        client = try RawClient(port: server.port)
        try client.startUp(name: "floor")
    }

    /// Measures one time from PQcancel() to ReadyForQuery.
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
                // PQcancel() waits for this. The backend is signalled twice, itself and its process group; both have
                // happened now.
                _ = try cancel.readToEnd()
                if isEncrypted { _ = try LibpqClient(port: server.port, name: "floor", more: "sslmode=require") }
            }
        )
    }
}
