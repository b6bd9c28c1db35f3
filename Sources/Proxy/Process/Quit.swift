// The start and the end of the process, and its messages outside of the log.

import Reactor

/// EX_USAGE of sysexits.h: an option cannot be used.
package let exUsage: Int32 = 64

/// EX_CONFIG of sysexits.h: the configuration cannot be used, and a restart will not change this.
package let exConfig: Int32 = 78

/// Called before anything else: standard input, output and error are open afterwards, possibly on /dev/null, and a
/// write whose reader is gone is an error instead of the end of the process.
package func prepareProcess() {
    openStandardDescriptors()
    SignalWatch.ignoreBrokenPipes()
}

/// Writes a line to standard output at once.
package func printLine(_ line: String) {
    writeToStandardOutput("\(line)\n")
}

/// Writes a line to standard error, before the log begins or after its end.
package func printError(_ message: String) {
    writeToStandardError("pgleash: \(message)\n")
}

/// Ends the process at once, with a line on standard error where there is a message.
package func quit(_ exitCode: Int32, _ message: String? = nil) -> Never {
    if let message { printError(message) }
    endProcess(exitCode)
}
