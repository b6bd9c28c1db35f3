// The end of the process.

import Reactor

/// Ends the process at once, with a line for whoever started it where there is something to say.
package func quit(_ exitCode: Int32, _ message: String? = nil) -> Never {
    if let message { writeToStandardError("pgleash: \(message)\n") }
    endProcess(exitCode)
}
