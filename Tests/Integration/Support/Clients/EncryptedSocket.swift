// TLS for a raw client: OpenSSL over its socket, with functions that behave like send(2) and recv(2).

import COpenSSL
import Foundation

/// The TLS connection of one socket. It accepts any certificate: other tests check pgleash's.
@safe final class EncryptedSocket {
    private nonisolated(unsafe) static let context: OpaquePointer? = {
        let context = unsafe SSL_CTX_new(TLS_client_method())
        _ = unsafe pgleash_SSL_CTX_set_mode(
            context, Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        return unsafe context
    }()

    private let connection: OpaquePointer?
    private let descriptor: Int32

    /// Performs the handshake; the socket is blocking until then, and not after it.
    init(descriptor: Int32) throws {
        self.descriptor = descriptor
        unsafe connection = unsafe SSL_new(Self.context)
        unsafe SSL_set_fd(connection, descriptor)
        ERR_clear_error()
        guard unsafe SSL_connect(connection) == 1 else { throw RawClientError.failed(EPROTO) }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    deinit {
        unsafe SSL_free(connection)
    }

    /// Bytes that have arrived and that poll(2) would not report.
    var hasMore: Bool { unsafe SSL_pending(connection) > 0 }

    /// - Returns: as send(2) does, with EAGAIN when nothing was taken within so many milliseconds. The same bytes have
    ///   to come next then.
    func send(_ bytes: UnsafeRawBufferPointer, within milliseconds: Int32) -> Int {
        perform(Int16(POLLOUT), milliseconds) { unsafe SSL_write(connection, bytes.baseAddress, Int32(bytes.count)) }
    }

    /// - Returns: as recv(2) does, with EAGAIN when nothing came within so many milliseconds.
    func receive(_ bytes: UnsafeMutableRawPointer, limit: Int, within milliseconds: Int32) -> Int {
        perform(Int16(POLLIN), milliseconds) { unsafe SSL_read(connection, bytes, Int32(limit)) }
    }

    private func perform(_ events: Int16, _ milliseconds: Int32, _ call: () -> Int32) -> Int {
        while true {
            ERR_clear_error()
            let result = call()
            guard result <= 0 else { return Int(result) }
            switch unsafe SSL_get_error(connection, result) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
                var query = pollfd(fd: descriptor, events: events, revents: 0)
                guard unsafe poll(&query, 1, milliseconds) > 0 else {
                    errno = EAGAIN
                    return -1
                }
            case SSL_ERROR_SYSCALL where errno != 0: return -1
            // A peer that ends without a close_notify is treated like any other.
            default: return 0
            }
        }
    }
}
