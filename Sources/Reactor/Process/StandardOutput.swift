// Standard output and error: output to them, and the kind of the latter.

import Glibc

/// The kind of standard error, as far as the format of the log depends on it.
package enum StandardError {
    case terminal
    /// systemd's journal, which systemd names in JOURNAL_STREAM (systemd.exec(5)).
    case journal
    case other

    /// The kind for this process.
    package static var kind: StandardError {
        if isatty(STDERR_FILENO) == 1 { return .terminal }
        var status = stat()
        guard unsafe fstat(STDERR_FILENO, &status) == 0, let stream = environmentVariable("JOURNAL_STREAM") else {
            return .other
        }
        return stream == "\(status.st_dev):\(status.st_ino)" ? .journal : .other
    }
}

/// Writes `text` to standard error, and waits for a slow reader.
///
/// - Returns: the end of the text that could not be written and is lost; empty most often.
@discardableResult
package func writeToStandardError(_ text: String) -> ArraySlice<UInt8> {
    write(text, to: STDERR_FILENO)
}

/// Writes `text` to standard output, and waits for a slow reader. Text that cannot be written is lost.
package func writeToStandardOutput(_ text: String) {
    _ = write(text, to: STDOUT_FILENO)
}

private func write(_ text: String, to descriptor: Int32) -> ArraySlice<UInt8> {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        do throws(SystemError) {
            try writeSome(of: &rest, to: descriptor)
        } catch {
            // The parent process may have set the descriptor to non-blocking.
            guard error.isTryAgain else { return rest }
            var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            unsafe poll(&query, 1, -1)
        }
    }
    return rest
}
