// The end of the process, and what it says to whoever started it.

import Glibc

/// Writes all of `text` to standard error; what can't be written is lost.
package func writeToStandardError(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = unsafe rest.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
        if count > 0 {
            rest = rest.dropFirst(count)
        } else if SystemError.last.code != EINTR {
            return
        }
    }
}

/// Ends the process at once, without the exit handlers of libraries whose threads may be at work.
package func endProcess(_ exitCode: Int32) -> Never {
    _exit(exitCode)
}
