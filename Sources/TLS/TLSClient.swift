// TLS connections to the server, with libpq's options.

import COpenSSL
import Reactor

/// The TLS options of a connection to a server, and the required proofs.
package struct TLSClientOptions: Equatable, Sendable {
    /// The trusted certificate authorities.
    package enum Authorities: Equatable, Sendable {
        case system
        case file(String)
    }

    /// The authorities that must have issued the server's certificate; nil where no certificate is verified, and the
    /// connection is then protected against eavesdropping only.
    package var authorities: Authorities?
    /// The certificate must match the host name.
    package var checksName = false
    package var revocationList: String?
    /// The client certificate.
    package var certificate: String?
    package var key: String?
    /// Sends the host name to the server (SNI).
    package var sendsServerName = true
    package var minimumVersion: TLSVersion? = .tls12
    package var maximumVersion: TLSVersion?

    package init() {}
}

/// Makes TLS connections to servers.
@safe package final class TLSClient: Sendable {
    private let context: TLSContext
    private let options: TLSClientOptions

    /// - Throws: `TLSError` when a file cannot be used.
    package init(_ options: TLSClientOptions) throws(TLSError) {
        self.options = options
        context = try unsafe TLSContext(TLS_client_method())
        try context.setVersions(minimum: options.minimumVersion, maximum: options.maximumVersion)
        context.beginWithP256()
        switch options.authorities {
        case nil: unsafe SSL_CTX_set_verify(context.context, SSL_VERIFY_NONE, nil)
        case .system:
            try context.trustSystem()
            unsafe SSL_CTX_set_verify(context.context, SSL_VERIFY_PEER, nil)
        case .file(let file):
            try context.trust(file, "root certificate file")
            unsafe SSL_CTX_set_verify(context.context, SSL_VERIFY_PEER, nil)
        }
        if let list = options.revocationList { try context.refuseRevoked(list) }
        if let certificate = options.certificate, let key = options.key {
            try context.present(certificate: certificate, key: key)
        }
    }

    /// The end of the validity of the client certificate, in seconds since 1970; nil where there is none.
    package var notAfter: Int64? { context.notAfter }

    /// Begins TLS on `transport`, which is connected to a server with the host name `host`. `handshake` of the result
    /// continues.
    package func connect(
        over transport: any StreamSocket, host: String, loop: any EventLoop
    ) throws(TLSError) -> TLSSocket {
        forgetOldErrors()
        let socket = try TLSSocket(context, over: transport, peerName: host, loop: loop)
        try unsafe prepare(socket.connection, host)
        unsafe SSL_set_connect_state(socket.connection)
        return socket
    }

    private func prepare(_ connection: OpaquePointer, _ host: String) throws(TLSError) {
        let parameters = unsafe SSL_get0_param(connection)
        let isAddress = Endpoint(host: host, port: 0).numericAddresses() != nil
        if options.checksName {
            // OpenSSL accepts any name for an empty one.
            guard !host.isEmpty else { throw TLSError("host name must be specified for a verified SSL connection") }
            unsafe X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            let isSet =
                unsafe isAddress
                ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host)
                : X509_VERIFY_PARAM_set1_host(parameters, host, host.utf8.count)
            // For example an address with a zone, or in an old form that getaddrinfo accepts.
            guard isSet == 1 else {
                throw .taken(orElse: "host name \"\(host)\" cannot be verified against a certificate")
            }
        }
        // Only for a name; RFC 6066 allows no address.
        if options.sendsServerName, !isAddress { unsafe pgleash_SSL_set_tlsext_host_name(connection, host) }
        // PostgreSQL requires ALPN with a direct negotiation and accepts it after an SSLRequest.
        guard unsafe SSL_set_alpn_protos(connection, alpnProtocols, UInt32(alpnProtocols.count)) == 0 else {
            throw .taken(orElse: "out of memory")
        }
    }
}

/// The only protocol above TLS, in the list format of ALPN.
let alpnProtocols: [UInt8] = [UInt8(alpnName.utf8.count)] + Array(alpnName.utf8)

/// The name registered with IANA.
let alpnName: String = "postgresql"
