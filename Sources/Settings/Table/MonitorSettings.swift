// The keys of [monitor]: libpq's keywords for the login of the monitor.

extension Setting {
    static let monitor: [Setting] = [
        keyword(
            "user", example: "pgleash",
            """
            The role with which pgleash logs in at each TCP address of the server, to cancel queries by \
            pg_cancel_backend and not by CancelRequests. It needs pg_signal_backend and pg_read_all_stats. Without it \
            there is no such connection.
            """
        ),
        keyword(
            "password", example: "secret", isSecret: true,
            "The password of that role. A passfile is better, as the configuration is often shown to others."
        ),
        keyword(
            "passfile", example: "/etc/pgleash/pgpass",
            "The file with the password, in the form of ~/.pgpass, and with mode 0600."
        ),
        keyword("service", example: "pgleash", "The name of a service in libpq's service file."),
        keyword("dbname", "The database that the monitor connects to."),
        keyword(
            "sslmode", example: "verify-full",
            "As libpq's sslmode, for the monitor's connection. Not set, it is that of [server]."
        ),
        keyword(
            "sslrootcert", example: "/etc/pgleash/root.crt",
            """
            The file with the authorities that the server's certificate has to come from. Not set, it is that of \
            [server].
            """
        ),
        keyword("sslcrl", example: "/etc/pgleash/root.crl", "The file with the certificates that were revoked."),
        keyword("sslcert", example: "/etc/pgleash/monitor.crt", "The file with the monitor's certificate."),
        keyword("sslkey", example: "/etc/pgleash/monitor.key", "The file with the private key of that certificate."),
        keyword("sslnegotiation", example: "direct", "How TLS begins: postgres, or direct (libpq 17 and later)."),
        keyword("channel_binding", example: "require", "Whether channel binding is used: disable, prefer or require."),
        keyword(
            "require_auth", example: "scram-sha-256",
            "The authentication methods that the monitor accepts (libpq 16 and later)."
        ),
        keyword("krbsrvname", example: "postgres", "The Kerberos service name of the server, for GSSAPI."),
        keyword("gssencmode", "Whether the connection is encrypted by GSSAPI."),
        keyword(
            "options", example: "-c statement_timeout=1s", "Options that the server gets when the monitor logs in."),
        Setting(
            "monitor", "recovery_file", \.monitor.recoveryFile, .path, example: "/run/pgleash/sessions",
            """
            A file in which pgleash records its sessions. If it is killed, the pgleash that starts next with this file \
            ends what they still run. Without it, such queries run on. One process at a time can use the file. \
            Sessions whose TLS is passed through are not recorded.
            """
        ),
    ]

    private static func keyword(
        _ key: String, example: String? = nil, isSecret: Bool = false, _ meaning: String
    ) -> Setting {
        Setting(
            "monitor", key, \.monitor.keywords[key], .keyword, example: example, isSecret: isSecret,
            meaning
        )
    }
}

extension Setting.Kind where Value == String? {
    /// A value that libpq reads.
    fileprivate static let keyword = Self(
        allowed: "as in libpq", parse: { $0.isEmpty ? nil : .some($0) }, text: { $0 }
    )
}
