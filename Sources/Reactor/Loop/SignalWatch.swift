// Signals as events of a loop, so that what they ask for is done in ordinary code.

import CLibevent
import Glibc

/// The signals that are watched for.
package enum Signal: Sendable {
    case terminate
    case interrupt
    case hangUp
    case user1

    fileprivate var number: Int32 {
        switch self {
        case .terminate: SIGTERM
        case .interrupt: SIGINT
        case .hangUp: SIGHUP
        case .user1: SIGUSR1
        }
    }
}

/// A watch for one signal, in force for as long as this object is.
package final class SignalWatch: EventSource {
    private let body: () -> Void

    init(loop: LibeventLoop, signal: Signal, _ body: @escaping () -> Void) {
        self.body = body
        super.init(loop: loop, descriptor: signal.number, events: Int16(EV_SIGNAL) | Int16(EV_PERSIST))
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
