// The handshake of a TLS socket.

import COpenSSL

extension TLSSocket {
    /// Performs the handshake with the peer. `completion` can be called before this returns, but only with a success: a
    /// peer on the same machine can be fast enough. To cancel the handshake, the caller closes the socket.
    package func handshake(_ completion: @escaping Completion) {
        self.completion = completion
        transport.owner = self
        if let error = continueHandshake() {
            // Later events would be taken for another reason.
            transport.interest = []
            timer = loop.schedule(after: .zero) { [unowned self] in finish(error) }
        } else if isHandshakeComplete {
            finish(nil)
        }
    }

    /// - Returns: the reason why the handshake failed.
    func continueHandshake() -> TLSError? {
        forgetOldErrors()
        let result = unsafe SSL_do_handshake(connection)
        guard result != 1 else { return nil }
        switch unsafe SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ: transport.interest = .read
        case SSL_ERROR_WANT_WRITE: transport.interest = .write
        case SSL_ERROR_SSL: return failure
        default: return TLSError.taken(orElse: TLSError.peerClosed.description)
        }
        return nil
    }

    var isHandshakeComplete: Bool { unsafe SSL_is_init_finished(connection) == 1 }

    /// OpenSSL's error, with the reason why the peer's certificate was rejected, if that is the cause.
    private var failure: TLSError {
        let error = TLSError.taken(orElse: "unknown error")
        let verdict = unsafe SSL_get_verify_result(connection)
        switch Int32(verdict) {
        case X509_V_OK: return error
        // OpenSSL does not name the expected host.
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            return TLSError("\(error): server certificate does not match host name \"\(peerName)\"")
        default:
            guard let reason = unsafe X509_verify_cert_error_string(verdict) else { return error }
            return TLSError("\(error): \(unsafe String(cString: reason))")
        }
    }

    func finish(_ error: TLSError?) {
        timer = nil
        let completion = completion
        self.completion = nil
        if error == nil { offerNoMoreKeys() }
        // A peer may send its first bytes together with the end of the handshake.
        hasMore = unsafe error == nil && SSL_has_pending(connection) == 1
        // Most often the completion continues to read, and the interest of the transport does not change.
        completion?(error)
        if !isClosed { watch() }
    }

    /// Keeps OpenSSL from offering new keys to the kernel, where the kernel does not decrypt. OpenSSL 3.2 and later
    /// loses the bytes that it has received after a KeyUpdate message when the kernel refuses the new key.
    private func offerNoMoreKeys() {
        guard unsafe pgleash_SSL_get_ktls_recv(connection) == 0 else { return }
        unsafe SSL_clear_options(connection, pgleash_SSL_OP_ENABLE_KTLS)
    }

    /// Both sides negotiated PostgreSQL's protocol with ALPN.
    package var hasAgreedOnProtocol: Bool {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        unsafe SSL_get0_alpn_selected(connection, &name, &length)
        // OpenSSL accepts a protocol from a server that was not offered.
        return unsafe UnsafeBufferPointer(start: name, count: Int(length)).elementsEqual(alpnName.utf8)
    }
}
