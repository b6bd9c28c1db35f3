// TLS connections of clients, with the options of postgresql.conf.

import COpenSSL
import Reactor

/// The TLS options of clients' connections, and the required proofs.
package struct TLSServerOptions: Equatable, Sendable {
    package var certificate: String
    package var key: String
    /// The authorities that must have issued a client's certificate; nil where clients need no certificate.
    package var clientAuthorities: String?
    package var minimumVersion: TLSVersion = .tls12
    /// OpenSSL's list of ciphers, for versions up to TLS 1.2.
    package var ciphers = defaultCiphers

    /// PostgreSQL's default.
    package static let defaultCiphers: String = "HIGH:MEDIUM:+3DES:!aNULL"

    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// Makes TLS connections of accepted clients.
@safe package final class TLSServer: Sendable {
    private let context: TLSContext

    /// - Throws: `TLSError` when a file cannot be used.
    package init(_ options: TLSServerOptions) throws(TLSError) {
        context = try unsafe TLSContext(TLS_server_method())
        try context.setVersions(minimum: options.minimumVersion, maximum: nil)
        try context.setCiphers(options.ciphers)
        try context.present(certificate: options.certificate, key: options.key)
        context.refuseTickets()
        if let file = options.clientAuthorities {
            try context.trust(file, "file of authorities")
            let mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
            unsafe SSL_CTX_set_verify(context.context, mode, nil)
            // Sends clients the list of accepted authorities.
            unsafe SSL_CTX_set_client_CA_list(context.context, SSL_load_client_CA_file(file))
        }
        unsafe SSL_CTX_set_alpn_select_cb(context.context, Self.selectProtocol, nil)
    }

    /// Whether the certificate for clients has expired.
    package var hasExpired: Bool { context.hasExpired }

    /// The end of the validity of the certificate for clients, in seconds since 1970.
    package var notAfter: Int64? { context.notAfter }

    /// Begins TLS on `transport`, on which a client begins it, too. `handshake` of the result continues.
    package func accept(over transport: any StreamSocket, loop: any EventLoop) throws(TLSError) -> TLSSocket {
        let socket = try TLSSocket(context, over: transport, peerName: "", loop: loop)
        unsafe SSL_set_accept_state(socket.connection)
        return socket
    }

    /// Refuses clients that offer protocols without PostgreSQL's among them, as PostgreSQL does.
    private static let selectProtocol: SSL_CTX_alpn_select_cb_func = { _, chosen, chosenLength, offered, length, _ in
        guard let offered = unsafe offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let names = unsafe UnsafeBufferPointer(start: offered, count: Int(length))
        var start = 0
        while start < names.count {
            let end = unsafe start + 1 + Int(names[start])
            guard end <= names.count else { break }
            if unsafe names[start..<end].elementsEqual(alpnProtocols) {
                // The pointer into the client's message is valid for as long as OpenSSL needs it.
                unsafe chosen?.pointee = offered + start + 1
                unsafe chosenLength?.pointee = offered[start]
                return SSL_TLSEXT_ERR_OK
            }
            start = end
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
