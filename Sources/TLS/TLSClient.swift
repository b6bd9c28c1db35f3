// TLS towards the server: what is asked of it, in libpq's words.

import COpenSSL
import Reactor

/// How a server is spoken to and what it has to prove.
package struct TLSClientOptions: Equatable, Sendable {
    /// Whose certificates are believed.
    package enum Authorities: Equatable, Sendable {
        case system
        case file(String)
    }

    /// What has to be proved; nothing where this is nil, and the connection is then safe from listeners alone.
    package var authorities: Authorities?
    /// The certificate must be for the name the server was found by.
    package var checksName = false
    package var revocationList: String?
    /// What proves who we are.
    package var certificate: String?
    package var key: String?
    /// Tells the server the name it was found by (SNI).
    package var sendsServerName = true
    package var minimumVersion: TLSVersion? = .tls12
    package var maximumVersion: TLSVersion?

    package init() {}
}

/// Makes TLS connections to servers.
@safe package final class TLSClient: Sendable {
    private let context: TLSContext
    private let options: TLSClientOptions

    /// - Throws: `TLSError` when a file can't be used.
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

    /// Begins TLS on `transport`, which is connected to a server that was found by the name `host`; `handshake` of the
    /// result goes on.
    package func connect(
        over transport: any StreamSocket, host: String, loop: any EventLoop
    ) throws(TLSError) -> TLSSocket {
        let socket = try TLSSocket(context, over: transport, peerName: host, loop: loop)
        try unsafe prepare(socket.connection, host)
        unsafe SSL_set_connect_state(socket.connection)
        return socket
    }

    private func prepare(_ connection: OpaquePointer, _ host: String) throws(TLSError) {
        let parameters = unsafe SSL_get0_param(connection)
        let isAddress = Endpoint(host: host, port: 0).numericAddresses() != nil
        if options.checksName {
            // For OpenSSL no name is any name.
            guard !host.isEmpty else { throw TLSError("host name must be specified for a verified SSL connection") }
            unsafe X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            let isSet =
                unsafe isAddress
                ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host)
                : X509_VERIFY_PARAM_set1_host(parameters, host, host.utf8.count)
            // Such as an address with a zone, or in a form of old that getaddrinfo still takes.
            guard isSet == 1 else {
                throw .taken(orElse: "host name \"\(host)\" cannot be verified against a certificate")
            }
        }
        // A name only; RFC 6066 allows no address there.
        if options.sendsServerName, !isAddress { unsafe pgleash_SSL_set_tlsext_host_name(connection, host) }
        // Behind a direct negotiation PostgreSQL insists on it, behind an SSLRequest it takes it.
        guard unsafe SSL_set_alpn_protos(connection, alpnProtocols, UInt32(alpnProtocols.count)) == 0 else {
            throw .taken(orElse: "out of memory")
        }
    }
}

/// The one protocol that is spoken behind TLS, as ALPN writes a list of them.
let alpnProtocols: [UInt8] = [UInt8(alpnName.utf8.count)] + Array(alpnName.utf8)

/// As registered with IANA.
let alpnName: String = "postgresql"
