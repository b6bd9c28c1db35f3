// What OpenSSL says when something fails, as a value.

import COpenSSL
import Glibc

/// Why TLS could not be set up, agreed on or continued, in OpenSSL's words. No secrets are in them.
package struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Which part of the options can't be used.
    package enum Part: CaseIterable, Sendable {
        case certificate, key, authorities, revocationList, minimumVersion, maximumVersion, ciphers
    }

    package static let peerClosed = TLSError("the peer closed the connection during the handshake")

    package let description: String
    /// nil where it is about none of them.
    package let part: Part?

    package init(_ description: String, about part: Part? = nil) {
        self.description = description
        self.part = part
    }

    /// What OpenSSL has noted on this thread since it was last asked; `fallback` where it has noted nothing.
    static func taken(orElse fallback: String, about part: Part? = nil) -> TLSError {
        // The first one is the cause, those behind it tell through whom it came.
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return TLSError(fallback, about: part) }
        // Of these OpenSSL 3 has no texts.
        if code & systemErrorFlag != 0 {
            let number = Int32(truncatingIfNeeded: code & ~systemErrorFlag)
            return TLSError(unsafe String(cString: strerror(number)), about: part)
        }
        guard let reason = unsafe ERR_reason_error_string(code) else {
            return TLSError("SSL error code \(code)", about: part)
        }
        return TLSError(unsafe String(cString: reason), about: part)
    }

    /// The same for a file that could not be used.
    static func taken(file: String, _ what: String, about part: Part) -> TLSError {
        let nothing = "no \(part.contents) found in file"
        let reason = taken(orElse: nothing).description
        // What OpenSSL says of a file that is not PEM, or has other things in it.
        let isEmpty = ["unsupported", "no start line"].contains(reason)
        return TLSError("could not load \(what) \"\(file)\": \(isEmpty ? nothing : reason)", about: part)
    }
}

extension TLSError.Part {
    /// What a file for it has to contain.
    fileprivate var contents: String {
        switch self {
        case .key: "private key"
        case .revocationList: "revocation list"
        default: "certificate"
        }
    }
}

/// OpenSSL's ERR_SYSTEM_FLAG, a macro: the rest of the code is an error number of the system's.
private let systemErrorFlag: UInt = 0x8000_0000

/// Clears what OpenSSL has noted on this thread, most often nothing: SSL_get_error takes any error that is noted for
/// the reason why the call before it failed, whichever connection, file or certificate it was about.
func forgetOldErrors() {
    if ERR_peek_error() != 0 { ERR_clear_error() }
}
