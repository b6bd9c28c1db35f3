// What OpenSSL says when something fails, as a value.

import COpenSSL

/// Why TLS could not be set up, agreed on or continued, in OpenSSL's words. No secrets are in them.
package struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
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
        guard let reason = unsafe ERR_reason_error_string(code) else { return TLSError("SSL error code \(code)") }
        return TLSError(unsafe String(cString: reason))
    }

    /// The same for a file that could not be used.
    static func taken(file: String, _ what: String) -> TLSError {
        TLSError("could not load \(what) \"\(file)\": \(taken(orElse: "no such thing in it").description)")
    }
}
