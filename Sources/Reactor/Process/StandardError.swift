// Standard error: its kind, and output to it.

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

/// Writes all of `text` to standard error, and waits for a slow reader. Text that cannot be written is lost.
package func writeToStandardError(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        do throws(SystemError) {
            try writeSome(of: &rest, to: STDERR_FILENO)
        } catch {
            // The parent process may have set the descriptor to non-blocking.
            guard error.isTryAgain else { return }
            var descriptor = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
            unsafe poll(&descriptor, 1, -1)
        }
    }
}
