// OpenSSL's errors as values.

import COpenSSL
import Glibc

/// The reason why TLS could not be configured, negotiated or continued, in OpenSSL's words. It contains no secrets.
package struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The part of the options that cannot be used.
    package enum Part: CaseIterable, Sendable {
        case certificate, key, authorities, revocationList, minimumVersion, maximumVersion, ciphers
    }

    package static let peerClosed = TLSError("the peer closed the connection during the handshake")

    package let description: String
    /// nil where the error is about none of them.
    package let part: Part?

    package init(_ description: String, about part: Part? = nil) {
        self.description = description
        self.part = part
    }

    /// The error that OpenSSL recorded on this thread; `fallback` where it recorded none.
    static func taken(orElse fallback: String, about part: Part? = nil) -> TLSError {
        // The first error is the cause; the others name its callers.
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return TLSError(fallback, about: part) }
        // OpenSSL 3 has no texts for system errors.
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
        // OpenSSL's errors for a file that is not PEM or has other contents.
        let isEmpty = ["unsupported", "no start line"].contains(reason)
        return TLSError("could not load \(what) \"\(file)\": \(isEmpty ? nothing : reason)", about: part)
    }
}

extension TLSError.Part {
    /// The required contents of a file.
    fileprivate var contents: String {
        switch self {
        case .key: "private key"
        case .revocationList: "revocation list"
        default: "certificate"
        }
    }
}

/// OpenSSL's ERR_SYSTEM_FLAG, a macro: the rest of the code is an errno value.
private let systemErrorFlag: UInt = 0x8000_0000

/// Clears the errors that OpenSSL recorded on this thread, most often none: SSL_get_error takes any recorded error for
/// the reason of the last call's failure, also one of another connection, file or certificate.
func forgetOldErrors() {
    if ERR_peek_error() != 0 { ERR_clear_error() }
}
