// What stands between pgleash and the server to count cancels on their way, and to refuse or hold new connections. For
// messages that are small: it reads whenever there is something, and writes until it is taken.

import Foundation
import Synchronization

/// A listening socket on 127.0.0.1 with a thread that passes on what comes. Both end when the object goes.
final class PassThrough {
    /// What happens to new connections. Those that passed before go on.
    enum Door { case open, refusing, hanging }

    let port: UInt16
    private let shared: Shared

    /// What the test's thread and the other one share.
    final class Shared: Sendable {
        struct State {
            var door = Door.open
            /// The listener is as the door wants it.
            var isDoorSet = false
            var isStopping = false
            var cancels = 0
            var cancelsOpen = 0
            var mostCancelsOpen = 0
        }

        let state = Mutex(State())
    }

    init(to server: UInt16) throws {
        let shared = Shared()
        self.shared = shared
        let port = try freePort()
        self.port = port
        Thread.detachNewThread {
            var loop = PassThroughLoop(port, server, shared)
            loop.run()
        }
        try setDoor(.open)
    }

    deinit {
        shared.state.withLock { $0.isStopping = true }
    }

    var address: String { "127.0.0.1:\(port)" }

    /// CancelRequests that came, also those that were held and given up.
    var cancels: Int { shared.state.withLock { $0.cancels } }

    /// Those that came, and neither side has closed yet.
    var cancelsOpen: Int { shared.state.withLock { $0.cancelsOpen } }

    /// The most there ever were of them.
    var mostCancelsOpen: Int { shared.state.withLock { $0.mostCancelsOpen } }

    /// Returns when new connections find it so.
    func setDoor(_ door: Door) throws {
        shared.state.withLock { ($0.door, $0.isDoorSet) = (door, false) }
        let shared = shared
        try wait(for: "the door of the pass-through") { shared.state.withLock { $0.isDoorSet } }
    }
}
