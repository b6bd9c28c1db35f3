// Standard error: where it leads, and writing to it.

import Glibc

/// Where standard error leads, as far as it decides the format of the log.
package enum StandardError {
    case terminal
    /// systemd's journal; systemd names it in JOURNAL_STREAM (systemd.exec(5)).
    case journal
    case other

    /// Of this process.
    package static var kind: StandardError {
        if isatty(STDERR_FILENO) == 1 { return .terminal }
        var status = stat()
        guard unsafe fstat(STDERR_FILENO, &status) == 0, let stream = environmentVariable("JOURNAL_STREAM") else {
            return .other
        }
        return stream == "\(status.st_dev):\(status.st_ino)" ? .journal : .other
    }
}

/// Writes all of `text` to standard error, and waits where its reader is slow; what can't be written is lost.
package func writeToStandardError(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        do throws(SystemError) {
            try writeSome(of: &rest, to: STDERR_FILENO)
        } catch {
            // Whoever gave it to us may have made it one that doesn't block.
            guard error.isTryAgain else { return }
            var descriptor = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
            unsafe poll(&descriptor, 1, -1)
        }
    }
}
