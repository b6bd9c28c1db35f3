// The common beginning of many tests: a raw client in a session through pgleash, idle or with a running query; and
// their common end: the proof that nothing remains of it.

import Foundation
import TestSupport
import Testing

extension PgleashProcess {
    /// A session that is ready.
    func connect(name: String, parameters: [(String, String)] = []) throws -> RawClient {
        let client = try RawClient(port: port)
        try client.startUp(name: name, parameters: parameters)
        return client
    }

    /// A session whose server runs the requests in `bytes`.
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

    /// The fields of the "orphan reaped" line of this application_name, or of one with another message.
    func reapedLine(_ name: String, saying text: String = "orphan reaped") throws -> [String: String] {
        let line = try wait(for: "the log line of \(name)") {
            logLines(text).first { Report.fields($0)["application_name"] == name }
        }
        return Report.fields(line)
    }
}

/// Calls `body` while the client's backend is stopped by SIGSTOP, so that no cancel can reach it.
func whileStopped(_ client: RawClient, _ body: () throws -> Void) rethrows {
    kill(pid_t(client.backendPID), SIGSTOP)
    defer { kill(pid_t(client.backendPID), SIGCONT) }
    try body()
}
