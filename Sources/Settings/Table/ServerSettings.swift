// The keys of [server]: addresses of PostgreSQL, and TLS.

extension Setting {
    static let server: [Setting] = [
        Setting(
            "server", "host", \.server.hosts, .hosts,
            "The addresses of the server: IP addresses, host names or socket directories, which are tried in turn."
        ),
        Setting("server", "port", \.server.port, .integer(1...65_535), "The port of the server."),
        Setting(
            "server", "connect_timeout", \.server.connectTimeout, .duration(.seconds(1)...(.seconds(3600))),
            "The maximum time for a connection to one address. After it the next address is tried."
        ),
        Setting(
            "server", "tcp_keepalives_idle", \.server.keepalive.idle, .wholeSeconds,
            """
            The time without a packet after which the server's host is probed; 0 selects the system's value. As with \
            clients, the hosts of a busy session are checked each second.
            """
        ),
        Setting(
            "server", "tcp_keepalives_interval", \.server.keepalive.interval, .wholeSeconds,
            "The time between two probes; 0 selects the system's value."
        ),
        Setting(
            "server", "tcp_keepalives_count", \.server.keepalive.count, .integer(0...127),
            "The number of probes without an answer that end the connection; 0 selects the system's value."
        ),
        Setting(
            "server", "tcp_user_timeout", \.server.keepalive.userTimeout, .milliseconds,
            """
            The time that sent data may stay unacknowledged before the connection ends; without a unit in \
            milliseconds, 0 for no limit. Linux also ends the connection to a server that reads nothing for so long, \
            as one does that waits for a lock.
            """
        ),
        Setting(
            "server", "sslmode", \.server.tls.mode, .choice,
            """
            Whether connections to the server use TLS, those of cancels included, as libpq's sslmode: disable, \
            prefer (if the server can; nothing is verified), require (without TLS there is no connection), verify-ca \
            (the certificate must come from an authority in sslrootcert), verify-full (and be for the name or \
            address in host). Connections over a Unix socket never do.
            """
        ),
        Setting(
            "server", "sslnegotiation", \.server.tls.negotiation, .choice,
            """
            How TLS begins: postgres (with an SSLRequest), or direct (PostgreSQL 17 and later, sslmode require or \
            more).
            """
        ),
        Setting(
            "server", "sslrootcert", \.server.tls.rootCertificates, .authorities,
            example: "/etc/pgleash/root.crt", isReread: true,
            """
            The file with the authorities that the server's certificate has to come from, or system for those that \
            the system trusts (which needs verify-full). With a file, require verifies as verify-ca does, as with \
            libpq. It is not used with prefer.
            """
        ),
        Setting(
            "server", "sslcrl", \.server.tls.revocationList, .path,
            example: "/etc/pgleash/root.crl", isReread: true,
            "The file with the certificates that were revoked. It is not used with prefer."
        ),
        Setting(
            "server", "sslcert", \.server.tls.certificate, .path,
            example: "/etc/pgleash/client.crt", isReread: true,
            "The file with the certificate that pgleash shows a server that asks for one."
        ),
        Setting(
            "server", "sslkey", \.server.tls.key, .path,
            example: "/etc/pgleash/client.key", isReread: true,
            """
            The file with the private key of that certificate. Only its owner may read it; a file of root's may be \
            readable by its group. It must not be encrypted.
            """
        ),
        Setting(
            "server", "sslsni", \.server.tls.sendsServerName, .flag,
            "Whether the server is told the host name it was found by (SNI)."
        ),
        Setting(
            "server", "ssl_min_protocol_version", \.server.tls.minimumVersion, .choice,
            "The oldest version of TLS that is used with the server."
        ),
        Setting(
            "server", "ssl_max_protocol_version", \.server.tls.maximumVersion, .version, example: "TLSv1.3",
            "The newest version of TLS that is used with the server."
        ),
    ]
}
