// What a session asks of the cancel dispatcher: the letter between a worker's thread and the dispatcher's.

import PostgresWire
import Reactor
import Synchronization

/// The way a cancel takes: where to, and how protected.
package struct CancelRoute: Sendable {
    /// Tried in turn. For an orphan the very address its server socket is connected to; never a name resolved again.
    package let addresses: [HostAddress]
    /// As the session was that it is about: the key is as good as the password until the session ends.
    package let protection: Protection

    package init(to addresses: [HostAddress], _ protection: Protection) {
        self.addresses = addresses
        self.protection = protection
    }

    /// The way a session's own connection took; nil when that is no more.
    init?(of server: any StreamSocket) {
        guard let address = server.peerAddress else { return nil }
        let name = server.encryptedPeerName
        self.init(to: [HostAddress(address, foundBy: name ?? "")], name == nil ? .plain : .encrypted)
    }
}

/// The wish to have one backend cancelled, which the session may take back until it is carried out.
package final class CancelOrder: Sendable {
    /// On whose behalf.
    package enum Purpose: Sendable {
        /// The client is gone.
        case orphan
        /// A client's own CancelRequest.
        case client
    }

    package let purpose: Purpose
    package let route: CancelRoute
    package let key: CancelKey
    /// Called on the dispatcher's thread, once, unless the order was withdrawn.
    package let reply: @Sendable (Reaper.CancelResult) -> Void

    private enum State: UInt8 { case waiting, begun, withdrawn }

    private let state = Atomic<UInt8>(State.waiting.rawValue)

    package init(
        _ purpose: Purpose,
        _ route: CancelRoute,
        key: CancelKey,
        reply: @escaping @Sendable (Reaper.CancelResult) -> Void
    ) {
        self.purpose = purpose
        self.route = route
        self.key = key
        self.reply = reply
    }

    /// The dispatcher carries the order out now.
    ///
    /// - Returns: false when it was withdrawn.
    package func begin() -> Bool { leaveWaiting(for: .begun) }

    /// The session needs no cancel any more.
    ///
    /// - Returns: false when it is too late: the cancel is on its way, and `reply` follows.
    package func withdraw() -> Bool { leaveWaiting(for: .withdrawn) }

    private func leaveWaiting(for next: State) -> Bool {
        state.compareExchange(
            expected: State.waiting.rawValue,
            desired: next.rawValue,
            ordering: .acquiringAndReleasing
        ).exchanged
    }
}
