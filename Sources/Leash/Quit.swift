// The end of the process, and what it says to whoever started it.

import Reactor

/// Writes a line for whoever started the process.
package func complain(_ message: String) {
    writeToStandardError("pgleash: \(message)\n")
}

/// Ends the process at once, with a line for whoever started it where there is something to say.
package func quit(_ exitCode: Int32, _ message: String? = nil) -> Never {
    if let message { complain(message) }
    endProcess(exitCode)
}
