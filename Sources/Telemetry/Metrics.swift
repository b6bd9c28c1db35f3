// The names, types and help texts of all metrics, and where each takes its value from.

import CancelPolicy

/// One metric with its samples, as Prometheus' text format groups them.
package struct Metric {
    enum Kind: String { case counter, gauge, histogram }

    struct Sample {
        /// What is added to the metric's name, as a histogram does.
        var suffix = ""
        var labels: [(name: String, value: String)] = []
        let value: Double
    }

    let name: String
    let kind: Kind
    let help: String
    let samples: [Sample]

    /// In the text format, version 0.0.4.
    var text: String {
        var lines = ["# HELP \(name) \(help)", "# TYPE \(name) \(kind.rawValue)"]
        for sample in samples {
            let labels = sample.labels.map { "\($0.name)=\($0.value.debugDescription)" }.joined(separator: ",")
            lines.append("\(name)\(sample.suffix)\(labels.isEmpty ? "" : "{\(labels)}") \(Self.number(sample.value))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func number(_ value: Double) -> String {
        Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}

extension Metric {
    init(_ name: String, _ kind: Kind, _ help: String, _ value: Int64) {
        self.init(name: name, kind: kind, help: help, samples: [Sample(value: Double(value))])
    }

    /// A sample for each label, also those that never happened: a rate needs its zero.
    init<Label: CaseIterable & RawRepresentable<String>>(
        _ name: String,
        _ help: String,
        by label: String,
        _ value: (Label) -> Int64
    ) {
        let samples = Label.allCases.map { Sample(labels: [(label, $0.rawValue)], value: Double(value($0))) }
        self.init(name: name, kind: .counter, help: help, samples: samples)
    }

    /// All metrics of a process, added up over its threads.
    package static func all(of threads: [Counters], _ process: ProcessFacts) -> [Metric] {
        sessions(threads, process) + orphans(threads) + cancels(threads) + traffic(threads) + facts(threads, process)
    }

    private static func sessions(_ threads: [Counters], _ process: ProcessFacts) -> [Metric] {
        [
            Metric(
                "pgleash_sessions_opened_total", .counter, "Client connections accepted.",
                threads.sum(\.sessionsOpened)
            ),
            Metric(
                "pgleash_sessions_active", .gauge, "Client connections that have not ended.",
                threads.sum(\.sessionsActive)
            ),
            Metric(
                "pgleash_sessions_busy", .gauge, "Sessions waiting for a server response.", threads.sum(\.sessionsBusy)
            ),
            Metric("pgleash_sessions_max", .gauge, "The setting max_sessions.", process.maxSessions),
            Metric("pgleash_sessions_ended_total", "Client connections that ended, by reason.", by: "reason") {
                (reason: EndReason) in threads.sum { $0.sessionsEnded[reason] }
            },
            Metric(
                "pgleash_clients_rejected_total", .counter,
                "Connections closed without a reply because twice max_sessions was reached.",
                threads.sum(\.clientsRejected)
            ),
        ]
    }

    private static func orphans(_ threads: [Counters]) -> [Metric] {
        [
            Metric("pgleash_drops_total", "Clients that disconnected while a query was running, by kind.", by: "kind") {
                (kind: DropKind) in threads.sum { $0.drops[kind] }
            },
            Metric(
                "pgleash_orphans_active", .gauge, "Orphaned sessions that are being cancelled.",
                threads.sum(\.orphansActive)
            ),
            Metric("pgleash_orphans_total", "Orphaned sessions, by outcome.", by: "outcome") {
                (outcome: Outcome) in threads.sum { $0.orphans[outcome] }
            },
            reapTime(threads.map(\.reapTime)),
        ]
    }

    private static func cancels(_ threads: [Counters]) -> [Metric] {
        [
            Metric(
                "pgleash_cancels_sent_total", .counter, "CancelRequests sent for orphaned sessions.",
                threads.sum(\.cancelsSent)
            ),
            Metric(
                "pgleash_cancels_failed_total", .counter,
                "CancelRequests for orphaned sessions that did not reach the server.",
                threads.sum(\.cancelsFailed)
            ),
            Metric(
                "pgleash_cancels_unprotected_total", .counter,
                "CancelRequests not sent because their connection could not be encrypted as their session's was.",
                threads.sum(\.cancelsUnprotected)
            ),
            Metric(
                "pgleash_client_cancels_relayed_total", .counter, "CancelRequests of clients relayed to the server.",
                threads.sum(\.clientCancelsRelayed)
            ),
            Metric(
                "pgleash_client_cancels_failed_total", .counter,
                "CancelRequests of clients that did not reach the server.", threads.sum(\.clientCancelsFailed)
            ),
        ]
    }

    private static func traffic(_ threads: [Counters]) -> [Metric] {
        func sum(_ side: Side, _ counter: (Counters.Traffic) -> Counter) -> Int64 {
            threads.sum { counter(side == .client ? $0.client : $0.server) }
        }
        return [
            Metric("pgleash_received_bytes_total", "Bytes received, by the side that sent them.", by: "from") {
                (side: Side) in sum(side, \.bytes)
            },
            Metric("pgleash_received_messages_total", "Messages received, by the side that sent them.", by: "from") {
                (side: Side) in sum(side, \.messages)
            },
            Metric(
                "pgleash_connect_failures_total", .counter, "Sessions that could not connect to the server.",
                threads.sum(\.connectFailures)
            ),
            Metric(
                "pgleash_protocol_errors_total", "Malformed startup packets and messages, by the side that sent them.",
                by: "from"
            ) {
                (side: Side) in threads.sum { $0.protocolErrors[side] }
            },
        ]
    }

    private static func facts(_ threads: [Counters], _ process: ProcessFacts) -> [Metric] {
        [
            Metric(
                name: "pgleash_build_info", kind: .gauge, help: "The version, as a label.",
                samples: [Sample(labels: [("version", process.version)], value: 1)]
            ),
            Metric("pgleash_uptime_seconds", .gauge, "Seconds since pgleash started.", process.uptimeSeconds),
            Metric(
                "pgleash_reload_failures_total", .counter, "Failed certificate reloads.", threads.sum(\.reloadFailures)
            ),
            Metric(
                "pgleash_log_lines_dropped_total", .counter,
                "Log lines lost because standard error was not read in time.", process.logLinesDropped
            ),
        ]
    }

    private static func reapTime(_ histograms: [Histogram]) -> Metric {
        var samples: [Sample] = []
        var total: Int64 = 0
        for (index, bound) in (Histogram.bounds.map { "\($0)" } + ["+Inf"]).enumerated() {
            total += histograms.reduce(0) { $0 + $1.counts[index].value }
            samples.append(Sample(suffix: "_bucket", labels: [("le", bound)], value: Double(total)))
        }
        let microseconds = histograms.reduce(0) { $0 + $1.sumOfMicroseconds.value }
        samples.append(Sample(suffix: "_sum", value: Double(microseconds) / 1e6))
        samples.append(Sample(suffix: "_count", value: Double(total)))
        let help = "Time from client disconnect until the server stopped, in seconds."
        return Metric(name: "pgleash_reap_seconds", kind: .histogram, help: help, samples: samples)
    }
}

/// What the report tells of the process beside the counters.
package struct ProcessFacts {
    let version: String
    let uptimeSeconds: Int64
    let maxSessions: Int64
    let logLinesDropped: Int64

    package init(version: String, uptimeSeconds: Int64, maxSessions: Int64, logLinesDropped: Int64) {
        (self.version, self.uptimeSeconds) = (version, uptimeSeconds)
        (self.maxSessions, self.logLinesDropped) = (maxSessions, logLinesDropped)
    }
}

extension [Counters] {
    fileprivate func sum(_ counter: (Counters) -> Counter) -> Int64 { reduce(0) { $0 + counter($1).value } }
}
