// The end of the process, and what it says to whoever started it.

import Glibc

/// Writes all of `text` to standard error; what can't be written is lost.
package func writeToStandardError(_ text: String) {
    try? writeAll(Array(text.utf8), to: STDERR_FILENO)
}

/// Ends the process at once, without the exit handlers of libraries whose threads may be at work.
package func endProcess(_ exitCode: Int32) -> Never {
    _exit(exitCode)
}
