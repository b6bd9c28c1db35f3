// Signals as events of a loop, so that ordinary code handles them.

import CLibevent
import Glibc

/// The handled signals.
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

/// A watch for one signal, for as long as the object exists.
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

    /// Makes a write to a closed socket or pipe fail instead of ending the process.
    package static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }
}
