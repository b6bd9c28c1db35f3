// A file of lines with a fixed length, of which each can be replaced. It outlives the process, and not a crash of the
// machine. One process at a time has it.

import Glibc

/// The reason why a file can't be used.
package enum SlotFileError: Error, CustomStringConvertible {
    case system(SystemError)
    case inUse
    /// It is not empty, and another file than expected.
    case foreign
    /// Others may write to it.
    case unsafe

    package var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .inUse: "another process uses it"
        case .foreign: "it has other contents, and was left alone"
        case .unsafe: "it must be a regular file of the user that pgleash runs as, to which no other user may write"
        }
    }
}

/// The lines of one process. A line is written by one system call, so after a SIGKILL it is there as a whole.
package final class SlotFile: Sendable {
    /// The length of a line with its line feed.
    package static let lineLength = 192

    private let descriptor: Int32

    /// Opens the file, or makes it, and locks it until the process ends.
    ///
    /// - Parameter title: the first line of the file, by which it is known.
    package init(path: String, title: String) throws(SlotFileError) {
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw .system(.last) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .system(.last) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw .unsafe
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw SystemError.last.isTryAgain ? .inUse : .system(.last)
        }
        // The size could have changed before the lock.
        guard unsafe fstat(descriptor, &status) == 0 else { throw .system(.last) }
        guard status.st_size == 0 || line(at: 0) == title else { throw .foreign }
        writeLine(title, at: 0)
    }

    deinit { if descriptor >= 0 { closeDescriptor(descriptor) } }

    /// The lines after the title that are not empty.
    package func lines() -> [String] {
        var lines: [String] = []
        var number = 1
        while let line = line(at: number) {
            if !line.isEmpty { lines.append(line) }
            number += 1
        }
        return lines
    }

    /// Removes all lines after the title.
    package func removeAll() throws(SlotFileError) {
        guard ftruncate(descriptor, off_t(Self.lineLength)) == 0 else { throw .system(.last) }
    }

    /// Replaces a line after the title. What is too long, or can't be written, is left out.
    package func write(_ text: String, at index: Int) { writeLine(text, at: index + 1) }

    private func line(at number: Int) -> String? {
        var bytes = [UInt8](repeating: 0, count: Self.lineLength)
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe pread(descriptor, $0.baseAddress, $0.count, off_t(number * Self.lineLength))
        }
        guard count == Self.lineLength else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\n" || $0 == "\0" }
        return words.joined(separator: " ")
    }

    private func writeLine(_ text: String, at number: Int) {
        guard text.utf8.count < Self.lineLength else { return }
        var bytes = Array(text.utf8)
        bytes += [UInt8](repeating: UInt8(ascii: " "), count: Self.lineLength - 1 - bytes.count) + [UInt8(ascii: "\n")]
        _ = unsafe bytes.withUnsafeBytes {
            unsafe pwrite(descriptor, $0.baseAddress, $0.count, off_t(number * Self.lineLength))
        }
    }
}
