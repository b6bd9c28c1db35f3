// Reading a text file as a whole.

import Glibc

/// The reason why a text file cannot be read.
package enum TextFileError: Error, Equatable {
    case system(SystemError)
    case notUTF8
}

/// - Returns: the contents of the file at `path`, without a byte order mark.
package func readText(at path: String) throws(TextFileError) -> String {
    let bytes: [UInt8]
    do throws(SystemError) { bytes = try readBytes(at: path) } catch { throw .system(error) }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let text = bytes.dropFirst(bytes.starts(with: mark) ? mark.count : 0)
    guard let string = String(validating: text, as: UTF8.self) else { throw .notUTF8 }
    return string
}

private func readBytes(at path: String) throws(SystemError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last }
    defer { closeDescriptor(descriptor) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 16 * 1024)
    while true {
        let count = unsafe part.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        if count == 0 { return bytes }
        if count > 0 {
            bytes += part[..<count]
        } else if SystemError.last.code != EINTR {
            throw .last
        }
    }
}
