// The keys of [cancel], [http], [metrics] and [pgleash].

extension Setting {
    static let cancel: [Setting] = [
        Setting(
            "cancel", "timeout", \.cancel.timeout, .duration(.seconds(1)...(.seconds(3600))),
            """
            The time from a client's disconnect during which its query is cancelled again and again before pgleash \
            gives up.
            """
        ),
        Setting(
            "cancel", "attempt_timeout", \.cancel.attemptTimeout, .duration(.milliseconds(100)...(.seconds(60))),
            "The maximum time for one CancelRequest to reach the server."
        ),
        Setting(
            "cancel", "max_concurrent", \.cancel.maxConcurrent, .integer(1...1000),
            """
            The number of CancelRequests that are on their way to one address of the server at the same time, as the \
            server starts a process for each. The others wait.
            """
        ),
        Setting(
            "cancel", "grace", \.cancel.grace, .duration(.zero...(.seconds(3600))),
            allowed: "0 to 1h, less than timeout",
            """
            The time from a client's disconnect before the first CancelRequest. A query that ends within it is not \
            cancelled.
            """
        ),
        Setting(
            "cancel", "terminate_after", \.cancel.terminateAfter, .duration(.zero...(.seconds(3600))),
            allowed: "0 to 1h, less than timeout",
            """
            The time from a client's disconnect after which the monitor ends the backend of a query that ignores \
            cancels, by pg_terminate_backend; 0 for never. It needs [monitor] user.
            """
        ),
        Setting(
            "cancel", "exclude_user", \.cancel.exclusion.users, .names, example: "etl",
            """
            Users in whose sessions nothing is cancelled, as the client gives the name when it connects. Of longer \
            names the 63 bytes that PostgreSQL keeps are compared. A client can exclude its own session with -c \
            pgleash.cancel=off in its options.
            """
        ),
        Setting(
            "cancel", "exclude_database", \.cancel.exclusion.databases, .names, example: "archive",
            "Databases in whose sessions nothing is cancelled."
        ),
        Setting(
            "cancel", "exclude_application_name", \.cancel.exclusion.applicationNames, .names, example: "nightly",
            """
            Application names in whose sessions nothing is cancelled: as the client gives the name when it connects, \
            or as the server reported it last.
            """
        ),
        Setting(
            "cancel", "read_ahead", \.cancel.readAhead, .size(0...(1 << 40)),
            """
            The memory, for all sessions together, for what clients send while their servers don't read. Only after \
            these bytes can the end of such a client be seen. One session may take all of it; 0 turns it off.
            """
        ),
    ]

    static let http: [Setting] = [
        Setting(
            "http", "listen", \.http.listen, .httpAddress, example: "127.0.0.1:9188",
            """
            The address of the HTTP endpoints: metrics, health, sessions and a live page. There is no login: on other \
            addresses than those of this machine everybody who can connect sees the names of users and databases.
            """
        ),
        Setting(
            "http", "allowed_hosts", \.http.allowedHosts, .hostNames, example: "pgleash.example.com",
            """
            Names that a request may be for, as its Host field says, beside IP addresses, localhost and the name in \
            listen. A request for another name is refused: it may come from a page of another site whose name was \
            made to resolve to this machine.
            """
        ),
    ]

    static let process: [Setting] = [
        Setting(
            "metrics", "file", \.metricsFile, .path, example: "/run/pgleash/pgleash.prom",
            """
            The file that SIGUSR1 writes the report to, in place of standard error. It is replaced in one step and \
            keeps its mode and owner. What is not a regular file is left alone.
            """
        ),
        Setting(
            "metrics", "labels", \.metricLabels, .words(), example: "user,database",
            """
            The labels of further metrics, of sessions and of orphans by login. Each user and database has samples of \
            its own; those beyond the first 1000 share samples with empty labels.
            """
        ),
        Setting(
            "pgleash", "workers", \.workers, .integer(Configuration.workerBounds),
            defaultWords: "the number of processors, at most 4", example: "4",
            "The number of threads that relay."
        ),
        Setting(
            "pgleash", "log_level", \.logLevel, .level,
            "The least severe level that is logged to standard error."
        ),
        Setting(
            "pgleash", "log_format", \.logFormat, .choice,
            """
            The format of log lines: text for people, logfmt, one JSON object a line, or the priorities of \
            systemd's journal. auto is journal where standard error is the journal, text on a terminal, and logfmt \
            otherwise.
            """
        ),
        Setting(
            "pgleash", "log_connections", \.logsConnections, .onOff,
            "Whether each connection of a client, and each login, is logged, at level info."
        ),
        Setting(
            "pgleash", "log_disconnections", \.logsDisconnections, .onOff,
            "Whether each end of a client's connection is logged, with its reason and duration, at level info."
        ),
    ]
}
