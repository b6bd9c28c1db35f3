// The table of all metrics, in the order of the report. `make reference` writes docs/metrics.md from it.

import CancelPolicy

extension Metric {
    /// All metrics of a process.
    static let all: [Metric] = sessions + orphans + logins + cancels + traffic + pgleash + process

    private static let sessions: [Metric] = [
        .counter("pgleash_sessions_opened_total", "Client connections accepted.") { $0.sum(\.sessionsOpened) },
        .gauge(
            "pgleash_sessions_active", "Client connections that have not ended.", details: "opened = active + ended"
        ) { $0.sum(\.sessionsActive) },
        .gauge("pgleash_sessions_busy", "Sessions waiting for a server response.") { $0.sum(\.sessionsBusy) },
        .measure(
            "pgleash_query_oldest_seconds", "Time for which the longest running query has run.",
            details: "The server has owed an answer since then. Without a query there is no sample."
        ) { $0.oldestQuery.map { $0 / .seconds(1) } },
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

    private static let logins: [Metric] = [
        .byLogin("pgleash_login_sessions", "Sessions whose login is complete, by user and database.") {
            Double($0.sessions)
        },
        .byLogin(
            "pgleash_login_sessions_busy", "Those of them that wait for a server response, by user and database."
        ) { Double($0.busySessions) },
        .byLogin(
            "pgleash_login_query_oldest_seconds",
            "Time for which the longest running query of a user in a database has run."
        ) { $0.oldestQuery.map { $0 / .seconds(1) } },
        .byLogin("pgleash_login_orphans_total", "Orphaned sessions, by user, database and outcome.", and: "outcome") {
            (reading, outcome: Outcome) in reading.orphans[outcome] ?? 0
        },
    ]

    private static let cancels: [Metric] = [
        .counters(
            "pgleash_cancels_sent_total", "Cancels sent for orphaned sessions, by CancelRequest or by the monitor.",
            by: "by"
        ) { (sources, way: CancelWay) in sources.sum { $0.cancelsSent[way] } },
        .counter(
            "pgleash_backends_terminated_total", "Signals of the monitor to end the backend of an orphaned session."
        ) { $0.sum(\.backendsTerminated) },
        .counters(
            "pgleash_recovered_orphans_total", "Orphans that an earlier process had left, by outcome.", by: "outcome"
        ) { (sources, outcome: Outcome) in sources.sum { $0.recoveredOrphans[outcome] } },
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

    private static let pgleash: [Metric] = [
        .gauge("pgleash_monitors_connected", "Addresses of the server with a monitor that can signal backends.") {
            $0.monitorsConnected
        },
        .info("pgleash_build_info", "The version, as a label.", label: "version") { $0.version },
        .gauge("pgleash_workers", "Threads that relay.") { $0.workers },
        .gauge(
            "pgleash_workers_answering", "Threads that relay whose event loops answered in time.",
            details: "The sessions of the others are missing in `pgleash_query_oldest_seconds`."
        ) { $0.workersAnswering },
        .counter("pgleash_reload_failures_total", "Failed certificate reloads.", details: "The old files stay in use.")
        {
            $0.sum(\.reloadFailures)
        },
        .gauge(
            "pgleash_config_last_reload_successful", "Whether the last reading of the certificates succeeded.",
            details: "1 or 0. pgleash does not start without them, so it begins with 1."
        ) { $0.reload.isSuccess ? 1 : 0 },
        .measure(
            "pgleash_config_last_reload_success_timestamp_seconds",
            "Time of the last successful reading of the certificates, in seconds since 1970."
        ) { $0.reload.successTime },
        .gauges(
            "pgleash_certificate_not_after_timestamp_seconds",
            "End of the validity of a certificate that pgleash presents, in seconds since 1970.", by: "file"
        ) { $0.certificates.map { ($0.file, $0.notAfter) } },
        .counter(
            "pgleash_log_lines_dropped_total", "Log lines lost because standard error was not read in time."
        ) { $0.logLinesDropped },
    ]

    /// The metrics that all programs have by Prometheus' rules.
    private static let process: [Metric] = [
        .measure("process_start_time_seconds", "Time of the start of the process, in seconds since 1970.") {
            $0.process.startTime
        },
        .sum("process_cpu_seconds_total", "Processor time used, user and system, in seconds.") {
            $0.process.processorSeconds
        },
        .gauge("process_resident_memory_bytes", "Resident memory in bytes.") { $0.process.residentBytes },
        .gauge("process_virtual_memory_bytes", "Virtual memory in bytes.") { $0.process.virtualBytes },
        .gauge("process_open_fds", "Open descriptors.") { $0.process.openDescriptors },
        .gauge("process_max_fds", "Limit of open descriptors.") { $0.process.descriptorLimit },
    ]
}

extension Counters {
    fileprivate func traffic(from side: Side) -> Traffic { side == .client ? client : server }
}
