// The table of all metrics, in the order of the report. `make reference` writes docs/metrics.md from it.

import CancelPolicy

extension Metric {
    /// All metrics of a process.
    static let all: [Metric] = sessions + orphans + cancels + traffic + process

    private static let sessions: [Metric] = [
        .counter("pgleash_sessions_opened_total", "Client connections accepted.") { $0.sum(\.sessionsOpened) },
        .gauge(
            "pgleash_sessions_active", "Client connections that have not ended.", details: "opened = active + ended"
        ) { $0.sum(\.sessionsActive) },
        .gauge("pgleash_sessions_busy", "Sessions waiting for a server response.") { $0.sum(\.sessionsBusy) },
        .gauge("pgleash_sessions_max", "The setting max_sessions.") { $0.maxSessions },
        .counters("pgleash_sessions_ended_total", "Client connections that ended, by reason.", by: "reason") {
            (sources, reason: EndReason) in sources.sum { $0.sessionsEnded[reason] }
        },
        .counter(
            "pgleash_clients_rejected_total",
            "Connections closed without a reply because twice max_sessions was reached."
        ) { $0.sum(\.clientsRejected) },
    ]

    private static let orphans: [Metric] = [
        .counters(
            "pgleash_drops_total", "Clients that disconnected while a query was running, by kind.", by: "kind"
        ) { (sources, kind: DropKind) in sources.sum { $0.drops[kind] } },
        .gauge(
            "pgleash_orphans_active", "Orphaned sessions that are being cancelled.",
            details: "drops = active + the sum of the outcomes"
        ) { $0.sum(\.orphansActive) },
        .counters("pgleash_orphans_total", "Orphaned sessions, by outcome.", by: "outcome") {
            (sources, outcome: Outcome) in sources.sum { $0.orphans[outcome] }
        },
        .histogram(
            "pgleash_reap_seconds", "Time from client disconnect until the server stopped, in seconds.",
            details: "Only outcomes that are confirmed: cancelled, finished, server_closed and terminated."
        ) { $0.counters.map(\.reapTime) },
    ]

    private static let cancels: [Metric] = [
        .counters(
            "pgleash_cancels_sent_total", "Cancels sent for orphaned sessions, by CancelRequest or by the monitor.",
            by: "by"
        ) { (sources, way: CancelWay) in sources.sum { $0.cancelsSent[way] } },
        .counter(
            "pgleash_backends_terminated_total", "Signals of the monitor to end the backend of an orphaned session."
        ) { $0.sum(\.backendsTerminated) },
        .counter(
            "pgleash_cancels_failed_total", "CancelRequests for orphaned sessions that did not reach the server.",
            details: "They are sent again."
        ) { $0.sum(\.cancelsFailed) },
        .counter(
            "pgleash_cancels_unprotected_total",
            "CancelRequests not sent because their connection could not be encrypted as their session's was.",
            details: "CancelRequests of clients are among them."
        ) { $0.sum(\.cancelsUnprotected) },
        .counter(
            "pgleash_client_cancels_relayed_total", "CancelRequests of clients relayed to the server.",
            details: "One whose key no session has goes to each address of the server, and counts for each."
        ) { $0.sum(\.clientCancelsRelayed) },
        .counter(
            "pgleash_client_cancels_failed_total", "CancelRequests of clients that did not reach the server."
        ) { $0.sum(\.clientCancelsFailed) },
    ]

    private static let traffic: [Metric] = [
        .counters("pgleash_received_bytes_total", "Bytes received, by the side that sent them.", by: "from") {
            (sources, side: Side) in sources.sum { $0.traffic(from: side).bytes }
        },
        .counters("pgleash_received_messages_total", "Messages received, by the side that sent them.", by: "from") {
            (sources, side: Side) in sources.sum { $0.traffic(from: side).messages }
        },
        .counter("pgleash_connect_failures_total", "Sessions that could not connect to the server.") {
            $0.sum(\.connectFailures)
        },
        .counters(
            "pgleash_protocol_errors_total", "Malformed startup packets and messages, by the side that sent them.",
            by: "from"
        ) { (sources, side: Side) in sources.sum { $0.protocolErrors[side] } },
    ]

    private static let process: [Metric] = [
        .gauge("pgleash_monitors_connected", "Addresses of the server with a monitor that can signal backends.") {
            $0.monitorsConnected
        },
        .info("pgleash_build_info", "The version, as a label.", label: "version") { $0.version },
        .gauge("pgleash_uptime_seconds", "Seconds since pgleash started.") { $0.uptimeSeconds },
        .counter("pgleash_reload_failures_total", "Failed certificate reloads.", details: "The old files stay in use.")
        {
            $0.sum(\.reloadFailures)
        },
        .counter(
            "pgleash_log_lines_dropped_total", "Log lines lost because standard error was not read in time."
        ) { $0.logLinesDropped },
    ]
}

extension Counters {
    fileprivate func traffic(from side: Side) -> Traffic { side == .client ? client : server }
}
