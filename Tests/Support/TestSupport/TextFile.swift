// Reading files that other processes write, or that the kernel generates; Foundation leaks its buffer when one is
// empty.

import Foundation

/// The contents of a file after its first `offset` bytes, as text; nil where there is no file.
package func readText(_ path: String, from offset: Int = 0) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    lseek(descriptor, offset, SEEK_SET)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = unsafe read(descriptor, &buffer, buffer.count)
        if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}
