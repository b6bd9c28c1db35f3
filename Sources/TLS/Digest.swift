// A digest of OpenSSL.

import COpenSSL

/// The SHA-256 digest of `bytes` in Base64, as in a Content-Security-Policy.
///
/// - Returns: nil where OpenSSL has no SHA-256.
package func sha256Base64(_ bytes: ArraySlice<UInt8>) -> String? {
    var digest = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    let isDone = unsafe bytes.withUnsafeBytes { input in
        unsafe digest.withUnsafeMutableBufferPointer {
            unsafe EVP_Digest(input.baseAddress, input.count, $0.baseAddress, &length, EVP_sha256(), nil)
        }
    }
    guard isDone == 1, length == 32 else { return nil }
    // Four characters for each three bytes, and a null byte.
    var text = [UInt8](repeating: 0, count: 45)
    let count = unsafe text.withUnsafeMutableBufferPointer {
        unsafe EVP_EncodeBlock($0.baseAddress, digest, Int32(digest.count))
    }
    return String(decoding: text.prefix(Int(count)), as: UTF8.self)
}
