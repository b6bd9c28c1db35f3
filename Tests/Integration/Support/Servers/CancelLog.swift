// The cancels that the server received, from its log. A cancel is a separate connection: it is logged as received and,
// unlike a session, without further lines; its result is logged at DEBUG2, and for a stray one at LOG.

import Foundation
import Testing

extension PrivatePostgres {
    /// A server that logs each connection and each CancelRequest, and that asks users of certain names for a password.
    static let countingCancels = untilTestsEnd {
        let rules = [
            "host all asked 127.0.0.1/32 password", "host all scrambled 127.0.0.1/32 scram-sha-256",
            "host all unwelcome 127.0.0.1/32 reject", "host all,replication all 127.0.0.1/32 trust",
        ]
        let file = try RunFolder.shared.newFile("pg_hba.conf", rules.joined(separator: "\n") + "\n")
        return try PrivatePostgres("log_connections=on", "log_min_messages=debug2", "hba_file=\(file)")
    }

    /// CancelRequests that arrived, whatever their result: "processing cancel request: sending SIGINT to process …",
    /// "wrong key in cancel request …" or "PID … in cancel request did not match any process".
    var cancelsLogged: Int { linesLogged("cancel request") }

    /// Those that arrived after the exit of their backend.
    var strayCancels: Int { strayCancelLines.count }

    var strayCancelLines: [Substring] {
        log.split(separator: "\n").filter { $0.contains("in cancel request did not match any process") }
    }

    /// Connections that did not become a session: cancels, and clients that left early or were refused.
    var connectionsWithoutSession: Int { linesLogged("connection received: ") - linesLogged("connection authorized: ") }

    private func linesLogged(_ text: String) -> Int { log.components(separatedBy: text).count - 1 }

    /// Runs `body`, waits until nothing of it remains, and expects that no cancel has reached the server; then checks
    /// that one would have been counted.
    ///
    /// - Parameter isEachSession: each connection to the server became a session; then they are counted, too.
    func expectNoCancel(
        through pgleash: PgleashProcess, isEachSession: Bool = true,
        sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) throws {
        // pgleash's startup check is one of the connections.
        try pgleash.waitForProbe()
        let (cancels, others) = (cancelsLogged, connectionsWithoutSession)
        try body()
        let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
        #expect(report.sum("cancels_sent_total") == 0, sourceLocation: sourceLocation)
        #expect(report.sum("drops_total") == 0, sourceLocation: sourceLocation)
        try wait(for: "the end of all backends", within: .seconds(30)) {
            try count("backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()") == 0
        }
        #expect(cancelsLogged == cancels, sourceLocation: sourceLocation)
        if isEachSession { #expect(connectionsWithoutSession == others, sourceLocation: sourceLocation) }

        try pgleash.connectBusy(name: "counted", server: self).close()
        let sent = Int(try pgleash.reapedLine("counted")["attempts"] ?? "") ?? 0
        #expect(sent > 0, sourceLocation: sourceLocation)
        try wait(for: "the cancel in the server's log") { cancelsLogged >= cancels + sent }
        #expect(cancelsLogged == cancels + sent, sourceLocation: sourceLocation)
        if isEachSession { #expect(connectionsWithoutSession == others + sent, sourceLocation: sourceLocation) }
    }
}
