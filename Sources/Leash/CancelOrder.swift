// What a session asks of the cancel dispatcher: the letter between a worker's thread and the dispatcher's.

import PostgresWire
import Reactor
import Synchronization

/// The wish to have one session's backend cancelled, which the session may take back until it is carried out.
package final class CancelOrder: Sendable {
    /// The very address the session's server socket is connected to; never a name resolved again.
    package let address: SocketAddress
    package let key: CancelKey
    /// Called on the dispatcher's thread, once, unless the order was withdrawn.
    package let reply: @Sendable (Reaper.CancelResult) -> Void

    private let withdrawn = Atomic<Bool>(false)

    package init(address: SocketAddress, key: CancelKey, reply: @escaping @Sendable (Reaper.CancelResult) -> Void) {
        self.address = address
        self.key = key
        self.reply = reply
    }

    package func withdraw() {
        withdrawn.store(true, ordering: .releasing)
    }

    package var isWithdrawn: Bool { withdrawn.load(ordering: .acquiring) }
}
