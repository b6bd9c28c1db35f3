// The beginning and the end of the process, and what it says to whoever started it.

import Reactor

/// EX_USAGE of sysexits.h: an option can't be used.
package let exUsage: Int32 = 64

/// EX_CONFIG of sysexits.h: what is configured can't be used, and won't be by another start.
package let exConfig: Int32 = 78

/// Comes before anything else: standard input, output and error are there, though they may lead nowhere.
package func ensureStandardDescriptors() {
    openStandardDescriptors()
}

/// Writes a line to standard error, before the log begins or after its end.
package func printError(_ message: String) {
    writeToStandardError("pgleash: \(message)\n")
}

/// Ends the process at once, with a line for whoever started it where there is something to say.
package func quit(_ exitCode: Int32, _ message: String? = nil) -> Never {
    if let message { printError(message) }
    endProcess(exitCode)
}
