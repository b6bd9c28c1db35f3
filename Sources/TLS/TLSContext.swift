// What the connections of one side have in common: certificates, trust, versions. One context serves all threads.

import COpenSSL

/// Versions that can be asked for; the raw values are libpq's and postgresql.conf's names.
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

/// OpenSSL's SSL_CTX: made once, never changed, counted by the connections made from it.
@safe package final class TLSContext: Sendable {
    nonisolated(unsafe) let context: OpaquePointer

    /// What a receive of encrypted bytes asks the kernel for: a few records, so that a bulk load takes few calls. Idle
    /// connections have no such buffer.
    private static let readBufferSize = 64 * 1024

    /// - Parameter method: of TLS_client_method or TLS_server_method.
    init(_ method: OpaquePointer?) throws(TLSError) {
        guard let made = unsafe SSL_CTX_new(method) else { throw .taken(orElse: "out of memory") }
        unsafe context = made
        let mode =
            SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS
        unsafe pgleash_SSL_CTX_set_mode(context, Int(mode))
        // What TLS says to itself ends a receive as data does, once what was received together is through.
        unsafe pgleash_SSL_CTX_clear_mode(context, Int(SSL_MODE_AUTO_RETRY))
        unsafe pgleash_SSL_CTX_set_read_ahead(context)
        unsafe SSL_CTX_set_default_read_buffer_len(context, Self.readBufferSize)
        // A peer that ends without a word of TLS was killed, which is our business; whether its last message was whole,
        // PostgreSQL's own protocol tells.
        let options =
            pgleash_SSL_OP_IGNORE_UNEXPECTED_EOF | pgleash_SSL_OP_NO_RENEGOTIATION | pgleash_SSL_OP_NO_COMPRESSION
            | pgleash_SSL_OP_ENABLE_KTLS
        unsafe SSL_CTX_set_options(context, options)
        // Sessions are not resumed, as PostgreSQL doesn't resume any.
        unsafe pgleash_SSL_CTX_set_session_cache_off(context)
        unsafe SSL_CTX_set_info_callback(context, TLSSocket.noteStep)
        // A key with a passphrase is an error, not a question to the terminal.
        unsafe SSL_CTX_set_default_passwd_cb(context) { _, _, _, wasAsked in
            unsafe wasAsked?.storeBytes(of: true, as: Bool.self)
            return -1
        }
    }

    deinit {
        unsafe SSL_CTX_free(context)
    }

    /// Bounds the versions that are agreed on.
    func setVersions(minimum: TLSVersion?, maximum: TLSVersion?) throws(TLSError) {
        if let minimum, unsafe pgleash_SSL_CTX_set_min_proto_version(context, minimum.number) != 1 {
            throw .taken(orElse: "unsupported protocol version \(minimum.rawValue)", about: .minimumVersion)
        }
        if let maximum, unsafe pgleash_SSL_CTX_set_max_proto_version(context, maximum.number) != 1 {
            throw .taken(orElse: "unsupported protocol version \(maximum.rawValue)", about: .maximumVersion)
        }
    }

    /// Ciphers for versions up to TLS 1.2; what TLS 1.3 has are all good.
    func setCiphers(_ list: String) throws(TLSError) {
        guard unsafe SSL_CTX_set_cipher_list(context, list) == 1 else {
            throw .taken(orElse: "could not set the cipher list", about: .ciphers)
        }
    }

    /// Begins with a key on P-256, the one curve that PostgreSQL takes up to version 17 unless `ssl_ecdh_curve` says
    /// otherwise: it would answer one on X25519, which OpenSSL begins with, by asking for another, and each connection
    /// take a round trip more. OpenSSL 3.5 has better groups yet, and is left to its own choice.
    func beginWithP256() {
        guard OpenSSL_version_num() < 0x3050_0000 else { return }
        // What OpenSSL offers otherwise, in another order. Where one of them is not known, as with FIPS, that stays.
        let groups = "P-256:X25519:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192"
        unsafe pgleash_SSL_CTX_set1_groups_list(context, groups)
        ERR_clear_error()
    }

    /// Gives clients nothing by which to resume a session.
    func refuseTickets() {
        unsafe SSL_CTX_set_options(context, pgleash_SSL_OP_NO_TICKET)
        unsafe SSL_CTX_set_num_tickets(context, 0)
    }

    /// Loads what proves who we are: a certificate with those that lead to its authority, and its key.
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

    /// Whether the certificate that was loaded is past its time.
    var hasExpired: Bool {
        guard let certificate = unsafe SSL_CTX_get0_certificate(context) else { return false }
        return unsafe X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0
    }

    /// Loads the authorities whose certificates are believed.
    ///
    /// - Parameter what: their name in an error.
    func trust(_ file: String, _ what: String) throws(TLSError) {
        guard unsafe SSL_CTX_load_verify_file(context, file) == 1 else {
            throw .taken(file: file, what, about: .authorities)
        }
    }

    /// Believes the authorities the system believes.
    func trustSystem() throws(TLSError) {
        guard unsafe SSL_CTX_set_default_verify_paths(context) == 1 else {
            throw .taken(orElse: "could not load system root certificate paths", about: .authorities)
        }
    }

    /// Refuses certificates that were revoked, and all of an authority of which no list is there.
    func refuseRevoked(_ file: String) throws(TLSError) {
        let store = unsafe SSL_CTX_get_cert_store(context)
        guard unsafe X509_STORE_load_file(store, file) == 1 else {
            throw .taken(file: file, "certificate revocation list", about: .revocationList)
        }
        unsafe X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
    }
}
