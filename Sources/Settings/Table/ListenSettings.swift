// The keys of [listen]: addresses for clients, and TLS.

extension Setting {
    static let listen: [Setting] = [
        Setting(
            "listen", "host", \.listen.hosts, .hostsOrAll,
            """
            The addresses that clients connect to: IP addresses, host names, directories for a Unix socket (they \
            begin with /), or "*" for all addresses of the machine.
            """
        ),
        Setting(
            "listen", "port", \.listen.port, .integer(1...65_535),
            "The TCP port, which is also part of the name of a Unix socket (.s.PGSQL.6432)."
        ),
        Setting(
            "listen", "max_sessions", \.listen.maxSessions, .integer(1...1_000_000),
            """
            The number of clients that are served at the same time. One more gets the error 53300, "sorry, too many \
            clients already".
            """
        ),
        Setting(
            "listen", "authentication_timeout", \.listen.authenticationTimeout,
            .duration(.seconds(1)...(.seconds(600))),
            """
            The maximum time for a client's startup packet, TLS handshake included. After it the client is \
            disconnected.
            """
        ),
        Setting(
            "listen", "tcp_keepalives_idle", \.listen.keepalive.idle, .wholeSeconds,
            """
            The time without a packet after which the client's host is probed; 0 selects the system's value. The \
            hosts of a busy session are checked each second, and count as lost when they have answered nothing for \
            as long as the three keepalive settings take together. Clients on 127.0.0.1 and ::1 are not probed.
            """
        ),
        Setting(
            "listen", "tcp_keepalives_interval", \.listen.keepalive.interval, .wholeSeconds,
            "The time between two probes; 0 selects the system's value."
        ),
        Setting(
            "listen", "tcp_keepalives_count", \.listen.keepalive.count, .integer(0...127),
            "The number of probes without an answer that end the connection; 0 selects the system's value."
        ),
        Setting(
            "listen", "tcp_user_timeout", \.listen.keepalive.userTimeout, .milliseconds,
            """
            The time that sent data may stay unacknowledged before the connection ends; without a unit in \
            milliseconds, 0 for no limit. Linux also ends a client that is alive and reads nothing for so long. \
            Where it is set, it counts instead of tcp_keepalives_count.
            """
        ),
        Setting(
            "listen", "sslmode", \.listen.tls.mode, .choice,
            """
            Whether clients use TLS: disable (an SSLRequest is answered with N), allow (the client chooses), require \
            (clients without TLS are rejected, except on a Unix socket), or passthrough (the client's TLS goes on to \
            the server unread, which needs [monitor]). allow and require need ssl_cert_file and ssl_key_file.
            """
        ),
        Setting(
            "listen", "ssl_cert_file", \.listen.tls.certificate, .path,
            example: "/etc/pgleash/server.crt", isReread: true,
            """
            The file with the certificate that clients are shown, followed by those that lead to its authority. \
            Where pgleash uses TLS to the server too, clients that log in with SCRAM need the server's own \
            certificate here, or channel_binding=disable.
            """
        ),
        Setting(
            "listen", "ssl_key_file", \.listen.tls.key, .path,
            example: "/etc/pgleash/server.key", isReread: true,
            """
            The file with the private key of that certificate. Only its owner may read it; a file of root's may be \
            readable by its group. It must not be encrypted.
            """
        ),
        Setting(
            "listen", "ssl_ca_file", \.listen.tls.clientAuthorities, .path,
            example: "/etc/pgleash/root.crt", isReread: true,
            """
            The file with the authorities that certificates of clients have to come from. With it, every client that \
            uses TLS has to show one, unlike with PostgreSQL.
            """
        ),
        Setting(
            "listen", "ssl_min_protocol_version", \.listen.tls.minimumVersion, .choice,
            "The oldest version of TLS that a client may use."
        ),
        Setting(
            "listen", "ssl_ciphers", \.listen.tls.ciphers, .ciphers,
            "The ciphers for versions up to TLS 1.2, as OpenSSL lists them."
        ),
    ]
}
