// Writes docs/metrics.md from the table of metrics and the meanings of their labels; `make reference` updates it.

import CancelPolicy

extension Metric {
    /// docs/metrics.md.
    package static var reference: String {
        """
        # Metrics

        <!-- Written by `make reference` from Sources/Telemetry/Metrics. -->

        `/metrics` of the [HTTP endpoints](monitoring.md#http-endpoints) and the [report](monitoring.md#report) have all
        metrics.

        | metric | type | meaning |
        | --- | --- | --- |
        \(all.map(\.row).joined(separator: "\n"))

        ## Reasons of an end

        | `reason` | the client's connection ended because |
        | --- | --- |
        \(rows(EndReason.allCases, \.meaning))

        ## Kinds of a drop

        | `kind` | the session was busy, and |
        | --- | --- |
        \(rows(DropKind.allCases, \.meaning))

        ## Outcomes

        | `outcome` | meaning |
        | --- | --- |
        \(rows(Outcome.allCases, \.meaning))

        """
    }

    private var row: String {
        let label = labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
        let meaning = [help, details].compactMap { $0 }.joined(separator: " ")
        return "| `\(name)\(label)` | \(kind.rawValue) | \(meaning) |"
    }

    private static func rows<Label: RawRepresentable<String>>(
        _ labels: [Label], _ meaning: (Label) -> String
    ) -> String {
        labels.map { "| `\($0.rawValue)` | \(meaning($0)) |" }.joined(separator: "\n")
    }
}

extension EndReason {
    fileprivate var meaning: String {
        switch self {
        case .clientTerminated: "the client sent Terminate"
        case .clientClosed: "the client closed its connection while the session was idle"
        case .clientReset: "the client's connection was reset while the session was idle"
        case .clientTimedOut: "the client's host did not answer while the session was idle"
        case .reaped: "the client left while the server owed it an answer, whatever the outcome"
        case .serverClosed: "the server closed the connection"
        case .serverUnreachable: "the server could not be reached"
        case .protocolError: "a startup packet or a message was malformed"
        case .sslFailed: "the TLS handshake with the client failed"
        case .sslRequired: "the client did not use TLS with `[listen] sslmode = require`"
        case .authenticationTimeout: "the client sent no startup packet within `[listen] authentication_timeout`"
        case .tooManyClients: "`[listen] max_sessions` was reached"
        case .outOfDescriptors: "the limit of open files was reached"
        case .cancelRelayed: "it was a CancelRequest, which was passed on"
        case .shutdown: "pgleash stopped"
        }
    }
}

extension DropKind {
    fileprivate var meaning: String {
        switch self {
        case .fin: "the client's stream ended without Terminate"
        case .reset: "the client's connection was reset"
        case .terminate: "the client sent Terminate and ended its stream"
        case .timeout: "the client's host did not answer any more"
        case .protocolError: "the client sent a malformed message; it got an error"
        case .shutdown: "pgleash stopped; the client got an error"
        case .serverLost: "the connection to the server broke; the client got an error"
        }
    }
}

extension Outcome {
    fileprivate var meaning: String {
        switch self {
        case .terminated: "The monitor ended the backend, which ignored cancels or had other requests to answer."
        case .cancelled: "An error came after a cancel, and the server owes nothing any more."
        case .finished: "The query ended by itself, or a cancel could not undo it any more."
        case .serverClosed: "The server ended the session."
        case .noKey: "The server gave no cancel key. The query may still run."
        case .excluded: "The session is excluded from cancelling. The query may still run."
        case .gaveUp: "The server still owed an answer after `[cancel] timeout`. The query may still run."
        case .unconfirmed:
            "The connection to the server ended before the query. The query may still run."
        case .unreachable: "TLS is passed through, and no monitor could look for the backend. The query may still run."
        }
    }
}
