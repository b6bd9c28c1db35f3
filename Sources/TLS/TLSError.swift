// What OpenSSL says when something fails, as a value.

import COpenSSL
import Reactor

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
        if let error = SystemError(openSSL: code) { return TLSError("\(error)") }
        guard let reason = unsafe ERR_reason_error_string(code) else { return TLSError("SSL error code \(code)") }
        return TLSError(unsafe String(cString: reason))
    }

    /// The same for a file that could not be used.
    static func taken(file: String, _ what: String) -> TLSError {
        TLSError("could not load \(what) \"\(file)\": \(taken(orElse: "no such thing in it").description)")
    }
}

extension SystemError {
    /// Nil for a code of OpenSSL's own: those of the system are marked by the highest of 32 bits.
    fileprivate init?(openSSL code: UInt) {
        guard code & 0x8000_0000 != 0 else { return nil }
        self.init(Int32(code & 0x7fff_ffff))
    }
}
