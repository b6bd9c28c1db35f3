// The settings that the connections of one side share: certificates, trust, versions. All threads use one context.

import COpenSSL
import Glibc

/// The configurable TLS versions. The raw values are the names in libpq and postgresql.conf.
package enum TLSVersion: String, CaseIterable, Comparable, Sendable {
    case tls10 = "TLSv1"
    case tls11 = "TLSv1.1"
    case tls12 = "TLSv1.2"
    case tls13 = "TLSv1.3"

    package static func < (left: TLSVersion, right: TLSVersion) -> Bool { left.number < right.number }

    fileprivate var number: Int32 {
        switch self {
        case .tls10: TLS1_VERSION
        case .tls11: TLS1_1_VERSION
        case .tls12: TLS1_2_VERSION
        case .tls13: TLS1_3_VERSION
        }
    }
}

/// OpenSSL's SSL_CTX. It is not changed after its initialization, and each connection holds a reference.
@safe package final class TLSContext: Sendable {
    nonisolated(unsafe) let context: OpaquePointer

    /// The size of a receive of encrypted bytes: a few records, so that a bulk load needs few calls. Idle connections
    /// have no such buffer.
    private static let readBufferSize = 64 * 1024

    /// - Parameter method: the result of TLS_client_method or TLS_server_method.
    init(_ method: OpaquePointer?) throws(TLSError) {
        forgetOldErrors()
        guard let made = unsafe SSL_CTX_new(method) else { throw .taken(orElse: "out of memory") }
        unsafe context = made
        let mode =
            SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS
        unsafe pgleash_SSL_CTX_set_mode(context, Int(mode))
        unsafe pgleash_SSL_CTX_set_read_ahead(context)
        unsafe SSL_CTX_set_default_read_buffer_len(context, Self.readBufferSize)
        // A peer whose stream ends without a close_notify was killed. PostgreSQL's own protocol shows whether its last
        // message was complete.
        let options =
            pgleash_SSL_OP_IGNORE_UNEXPECTED_EOF | pgleash_SSL_OP_NO_RENEGOTIATION | pgleash_SSL_OP_NO_COMPRESSION
            | pgleash_SSL_OP_ENABLE_KTLS
        unsafe SSL_CTX_set_options(context, options)
        // Sessions are not resumed, as in PostgreSQL.
        unsafe pgleash_SSL_CTX_set_session_cache_off(context)
        unsafe SSL_CTX_set_info_callback(context, TLSSocket.noteStep)
        // A key with a passphrase is an error, not a prompt on the terminal.
        unsafe SSL_CTX_set_default_passwd_cb(context) { _, _, _, wasAsked in
            unsafe wasAsked?.storeBytes(of: true, as: Bool.self)
            return -1
        }
    }

    deinit {
        unsafe SSL_CTX_free(context)
    }

    /// Sets the bounds of the negotiated version.
    func setVersions(minimum: TLSVersion?, maximum: TLSVersion?) throws(TLSError) {
        if let minimum, unsafe pgleash_SSL_CTX_set_min_proto_version(context, minimum.number) != 1 {
            throw .taken(orElse: "unsupported protocol version \(minimum.rawValue)", about: .minimumVersion)
        }
        if let maximum, unsafe pgleash_SSL_CTX_set_max_proto_version(context, maximum.number) != 1 {
            throw .taken(orElse: "unsupported protocol version \(maximum.rawValue)", about: .maximumVersion)
        }
    }

    /// Ciphers for versions up to TLS 1.2; those of TLS 1.3 are all strong.
    func setCiphers(_ list: String) throws(TLSError) {
        guard unsafe SSL_CTX_set_cipher_list(context, list) == 1 else {
            throw .taken(orElse: "could not set the cipher list", about: .ciphers)
        }
    }

    /// Offers a key share on P-256 first, the only curve that PostgreSQL accepts up to version 17 unless
    /// `ssl_ecdh_curve` is set. A server answers a key share on X25519, which is OpenSSL's default, with a request for
    /// another one, which costs a round trip per connection. OpenSSL 3.5 has better groups, and its default is not
    /// changed.
    func beginWithP256() {
        guard OpenSSL_version_num() < 0x3050_0000 else { return }
        // OpenSSL's default list in another order. Where one of the groups is not supported, as with FIPS, the default
        // stays.
        let groups = "P-256:X25519:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192"
        unsafe pgleash_SSL_CTX_set1_groups_list(context, groups)
        ERR_clear_error()
    }

    /// Disables session tickets.
    func refuseTickets() {
        unsafe SSL_CTX_set_options(context, pgleash_SSL_OP_NO_TICKET)
        unsafe SSL_CTX_set_num_tickets(context, 0)
    }

    /// Loads the certificate of this side, with the chain to its authority, and its key.
    func present(certificate: String, key: String) throws(TLSError) {
        guard unsafe SSL_CTX_use_certificate_chain_file(context, certificate) == 1 else {
            throw .taken(file: certificate, "certificate file", about: .certificate)
        }
        try load(key: key)
        guard unsafe SSL_CTX_check_private_key(context) == 1 else {
            throw .taken(
                orElse: "certificate \"\(certificate)\" does not match private key file \"\(key)\"", about: .key)
        }
    }

    private func load(key: String) throws(TLSError) {
        try checkKeyFile(key)
        var isEncrypted = false
        let isLoaded = unsafe withUnsafeMutablePointer(to: &isEncrypted) { wasAsked in
            unsafe SSL_CTX_set_default_passwd_cb_userdata(context, wasAsked)
            defer { unsafe SSL_CTX_set_default_passwd_cb_userdata(context, nil) }
            return unsafe SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1
        }
        guard !isLoaded else { return }
        let error = TLSError.taken(file: key, "private key file", about: .key)
        guard isEncrypted else { throw error }
        throw TLSError("private key file \"\(key)\" is encrypted, and pgleash asks for no passphrase", about: .key)
    }

    /// Whether the loaded certificate has expired.
    var hasExpired: Bool {
        guard let certificate = unsafe SSL_CTX_get0_certificate(context) else { return false }
        return unsafe X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0
    }

    /// The end of the validity of the loaded certificate, in seconds since 1970; nil where there is none.
    var notAfter: Int64? {
        guard let certificate = unsafe SSL_CTX_get0_certificate(context) else { return nil }
        var time = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1 else { return nil }
        return unsafe Int64(timegm(&time))
    }

    /// Loads the trusted certificate authorities.
    ///
    /// - Parameter what: the name of the file in an error.
    func trust(_ file: String, _ what: String) throws(TLSError) {
        guard unsafe SSL_CTX_load_verify_file(context, file) == 1 else {
            throw .taken(file: file, what, about: .authorities)
        }
    }

    /// Trusts the authorities that the system trusts.
    func trustSystem() throws(TLSError) {
        guard unsafe SSL_CTX_set_default_verify_paths(context) == 1 else {
            throw .taken(orElse: "could not load system root certificate paths", about: .authorities)
        }
    }

    /// Refuses revoked certificates, and all certificates of an authority without a revocation list.
    func refuseRevoked(_ file: String) throws(TLSError) {
        let store = unsafe SSL_CTX_get_cert_store(context)
        guard unsafe X509_STORE_load_file(store, file) == 1 else {
            throw .taken(file: file, "certificate revocation list", about: .revocationList)
        }
        unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
    }
}
