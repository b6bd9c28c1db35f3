// What OpenSSL says when something fails, as a value.

import COpenSSL
import Glibc

/// Why TLS could not be set up, agreed on or continued, in OpenSSL's words. No secrets are in them.
package struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    package static let peerClosed = TLSError("the peer closed the connection during the handshake")

    package let description: String

    package init(_ description: String) {
        self.description = description
    }

    /// What OpenSSL has noted on this thread since it was last asked; `fallback` where it has noted nothing.
    static func taken(orElse fallback: String) -> TLSError {
        // The first one is the cause, those behind it tell through whom it came.
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return TLSError(fallback) }
        // Of these OpenSSL 3 has no texts.
        if code & systemErrorFlag != 0 {
            return TLSError(unsafe String(cString: strerror(Int32(truncatingIfNeeded: code & ~systemErrorFlag))))
        }
        guard let reason = unsafe ERR_reason_error_string(code) else { return TLSError("SSL error code \(code)") }
        return TLSError(unsafe String(cString: reason))
    }

    /// The same for a file that could not be used.
    static func taken(file: String, _ what: String) -> TLSError {
        TLSError("could not load \(what) \"\(file)\": \(taken(orElse: "no such thing in it").description)")
    }
}

/// OpenSSL's ERR_SYSTEM_FLAG, a macro: the rest of the code is an error number of the system's.
private let systemErrorFlag: UInt = 0x8000_0000

/// Clears what OpenSSL has noted on this thread, most often nothing: SSL_get_error takes any error that is noted for
/// the reason why the call before it failed, whichever connection, file or certificate it was about.
func forgetOldErrors() {
    if ERR_peek_error() != 0 { ERR_clear_error() }
}
