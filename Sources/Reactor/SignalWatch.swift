// Signals as events of a loop, so that what they ask for is done in ordinary code.

import CLibevent
import Glibc

/// A watch for one signal, in force for as long as this object is.
package final class SignalWatch: EventSource {
    private let body: () -> Void

    init(loop: LibeventLoop, signal: Int32, _ body: @escaping () -> Void) {
        self.body = body
        super.init(loop: loop, descriptor: signal, events: Int16(EV_SIGNAL) | Int16(EV_PERSIST))
        add()
    }

    override func fire(_ events: Int16) {
        body()
    }

    /// Lets a write to a closed socket or pipe fail instead of ending the process.
    package static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }
}
