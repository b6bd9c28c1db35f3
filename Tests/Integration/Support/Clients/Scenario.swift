// What many tests begin with: a raw client in a session through pgleash, idle or with a query under way; and what many
// end with: the proof that nothing is left of it.

import Foundation
import TestSupport
import Testing

extension PgleashProcess {
    /// A session that has become ready.
    func connect(name: String, parameters: [(String, String)] = []) throws -> RawClient {
        let client = try RawClient(port: port)
        try client.startUp(name: name, parameters: parameters)
        return client
    }

    /// A session whose server runs what `bytes` ask for.
    func connectBusy(
        name: String,
        bytes: [UInt8] = Frontend.query("SELECT pg_sleep(600)"),
        event: String? = "PgSleep",
        server: PrivatePostgres = .shared
    ) throws -> RawClient {
        let client = try connect(name: name)
        try client.send(bytes)
        try server.waitForActive(name, event: event)
        return client
    }

    /// The fields of the "orphan reaped" line of this application_name, or of one that says something else.
    func reapedLine(_ name: String, saying text: String = "orphan reaped") throws -> [String: String] {
        let line = try wait(for: "the log line of \(name)") {
            logLines(text).first { Report.fields($0)["application_name"] == name }
        }
        return Report.fields(line)
    }
}

/// Calls `body` while the client's backend is held by SIGSTOP, so that no cancel can reach it.
func whileStopped(_ client: RawClient, _ body: () throws -> Void) rethrows {
    kill(pid_t(client.backendPID), SIGSTOP)
    defer { kill(pid_t(client.backendPID), SIGCONT) }
    try body()
}
