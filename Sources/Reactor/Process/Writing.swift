// Writing to descriptors.

import Glibc

/// Writes all of `bytes`, in as many calls as necessary.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
    var rest = bytes[...]
    while !rest.isEmpty { try writeSome(of: &rest, to: descriptor) }
}

/// Writes a part of `bytes`, and removes it from them.
func writeSome(of bytes: inout ArraySlice<UInt8>, to descriptor: Int32) throws(SystemError) {
    let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    if count > 0 {
        bytes = bytes.dropFirst(count)
    } else if SystemError.last.code != EINTR {
        throw .last
    }
}
