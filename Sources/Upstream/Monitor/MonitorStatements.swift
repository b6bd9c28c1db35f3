// The statements of the monitor. Their functions, types and operators are those of pg_catalog, whatever others the
// database has.

import LibPQ

extension PQStatement {
    /// Settings of the role or the database must not lead to functions of others, nor end or delay the monitor. Run
    /// first, and itself independent of the search path.
    static let secure = PQStatement(
        "pgleash_secure",
        """
        SELECT pg_catalog.set_config(s.name, v.value, false)
        FROM (VALUES ('search_path'::pg_catalog.text, ''::pg_catalog.text), ('statement_timeout', '0'),
            ('idle_session_timeout', '0'), ('client_encoding', 'UTF8'),
            ('default_transaction_isolation', 'read committed'), ('default_transaction_deferrable', 'off'))
            AS v (name, value)
        JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) v.name
        """
    )

    /// The monitor's role and rights, and the server's view of its connection.
    static let identify = PQStatement(
        "pgleash_identify",
        """
        SELECT current_user, rolsuper, pg_catalog.pg_has_role('pg_signal_backend'::name, 'USAGE'::text),
            pg_catalog.pg_has_role('pg_read_all_stats'::name, 'USAGE'::text),
            pg_catalog.host(pg_catalog.inet_client_addr()), pg_catalog.inet_client_port(),
            pg_catalog.current_setting('server_version')
        FROM pg_catalog.pg_roles WHERE rolname = current_user
        """
    )

    /// Signals backends, each identified by the address and port of its connection and by its process ID, if that is
    /// known. Without it, the backend has to have begun when the connection was opened, within the time of a connection
    /// attempt: a client of another address of the server can have the same address and port.
    ///
    /// pg_cancel_backend and pg_terminate_backend raise an error for a backend that the role may not signal, and none
    /// would get its signal; so the conditions of pg_signal_backend() in signalfuncs.c are tested first.
    static let signal = PQStatement(
        "pgleash_signal",
        """
        SELECT t.number, CASE
            WHEN pg_catalog.count(*) OVER (PARTITION BY t.number) > 1 THEN 'refused'
            WHEN t.unread AND (a.state LIKE 'idle%' OR a.backend_type = 'walsender') THEN 'not running'
            WHEN t.unread AND (a.usename::text = ANY ($7::text[]) OR a.datname::text = ANY ($8::text[])
                OR a.application_name = ANY ($9::text[])) THEN 'excluded'
            WHEN t.unread AND a.query ~* '^\\s*(commit|end|prepare\\s+transaction)\\M' THEN 'left alone'
            WHEN a.wait_event = 'SyncRep' THEN 'left alone'
            WHEN (me.rolsuper OR NOT r.rolsuper AND
                (pg_catalog.pg_has_role(a.usesysid, 'USAGE'::text)
                OR pg_catalog.pg_has_role('pg_signal_backend'::name, 'USAGE'::text))) IS NOT TRUE
                THEN 'refused'
            WHEN t.ends THEN pg_catalog.pg_terminate_backend(a.pid)::text
            ELSE pg_catalog.pg_cancel_backend(a.pid)::text END
        FROM ROWS FROM (pg_catalog.unnest($1::int[]), pg_catalog.unnest($2::int[]), pg_catalog.unnest($3::inet[]),
            pg_catalog.unnest($4::int[]), pg_catalog.unnest($5::bool[]), pg_catalog.unnest($6::bool[]),
            pg_catalog.unnest($10::float8[])) AS t (number, pid, address, port, ends, unread, age)
        JOIN pg_catalog.pg_stat_activity a
            ON a.client_port = t.port AND a.client_addr = t.address AND (a.pid = t.pid OR t.pid IS NULL
                AND a.backend_start BETWEEN pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => t.age + 1)
                AND pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => t.age - 15))
        JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
        CROSS JOIN (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) me
        """
    )
}
