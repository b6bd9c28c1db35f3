// The other load of a server during a test: with busy processors, a backend takes long to begin a request, and a cancel
// arrives at another point than on an idle machine.

import TestSupport
import Testing

/// Idle except for the test, or busy.
enum ServerLoad: String, CaseIterable, CustomTestStringConvertible {
    case idle = "idle server"
    case busy = "busy server"

    var testDescription: String { rawValue }

    /// Backends that compute, more than the machine has processors.
    private static let backends = 8
    private static let name = "load"

    /// Calls `body` while the server has this load.
    func during(on server: PrivatePostgres, _ body: () throws -> Void) throws {
        guard self == .busy else { return try body() }
        defer { try? server.terminate(Self.name) }
        let clients = try (0..<Self.backends).map { _ in
            let client = try RawClient(port: server.port)
            try client.startUp(name: Self.name)
            // Rows that are not stored.
            try client.send(Frontend.query("SELECT generate_series(1, 1e12) OFFSET 1e12"))
            return client
        }
        try server.waitForActive(Self.name, count: Self.backends)
        try body()
        withExtendedLifetime(clients) {}
    }
}
