// What a session asks of the cancel dispatcher: the message between a worker's thread and the dispatcher's.

import CancelPolicy
import PostgresProtocol
import Reactor
import Synchronization

/// The way a cancel takes: where to, and how protected. Sessions with the same way share one.
package final class CancelRoute: Sendable {
    /// What the session dialled, where the cancel is for one of ours. Not what the socket says its peer is: the peer of
    /// a Unix socket has the path that the server bound, in the server's file system and working directory, where we
    /// may find somebody else or nobody.
    package let address: HostAddress
    /// As the session was that it is about: the key is as good as the password until the session ends.
    package let protection: Protection

    package init(to address: HostAddress, _ protection: Protection) {
        self.address = address
        self.protection = protection
    }
}

/// What sessions tell the cancel dispatcher.
package enum DispatcherMessage: Sendable {
    case order(CancelOrder)
    /// Nobody needs the rest of an order that is being carried out.
    case release(CancelOrder)
}

/// The wish to have one backend cancelled. The session may take it back until the CancelRequest is written, and need
/// not wait for its conclusion when the server's answer shows that it arrived.
package final class CancelOrder: Sendable {
    /// On whose behalf.
    package enum Purpose: Sendable {
        /// The client is gone.
        case orphan
        /// A client's own CancelRequest, for a session of ours.
        case client
        /// A CancelRequest with a key that no session of ours has.
        case unknownKey
    }

    package let purpose: Purpose
    package let route: CancelRoute
    package let key: CancelKey
    /// Called on the dispatcher's thread, at most once.
    private let reply: @Sendable (Reaper.CancelResult) -> Void
    private let dispatcher: Mailbox<DispatcherMessage>

    private enum State: UInt8 {
        case waiting, dialling, written
        /// Concluded, withdrawn or answered: whichever comes first.
        case over
    }

    private let state = Atomic<UInt8>(State.waiting.rawValue)

    /// - Parameters:
    ///   - dispatcher: told when the session needs the order no more.
    ///   - reply: called with how the order ended, on the dispatcher's thread; not after `withdraw` or `answered`
    ///     returned true.
    package init(
        _ purpose: Purpose,
        _ route: CancelRoute,
        key: CancelKey,
        dispatcher: Mailbox<DispatcherMessage>,
        reply: @escaping @Sendable (Reaper.CancelResult) -> Void
    ) {
        self.purpose = purpose
        self.route = route
        self.key = key
        self.dispatcher = dispatcher
        self.reply = reply
    }

    var destination: SocketAddress { route.address.address }

    private func move(from state: State, to next: State) -> Bool {
        self.state.compareExchange(
            expected: state.rawValue, desired: next.rawValue, ordering: .acquiringAndReleasing
        ).exchanged
    }
}

// MARK: - What the session says

extension CancelOrder {
    /// The session needs no cancel any more.
    ///
    /// - Returns: true when the CancelRequest is never written; then there is no `reply`. False when it was written, or
    ///   can't be; then `reply` has been called or will be.
    package func withdraw() -> Bool {
        move(from: .waiting, to: .over) || leave(.dialling)
    }

    /// The session ends, and counts what it has sent: withdraws the order where that can be.
    ///
    /// - Returns: how many CancelRequests it stands for: 1 where it was written or can't be kept back, otherwise 0.
    package func settle() -> Int { withdraw() ? 0 : 1 }

    /// The server has answered as it does to a cancel, so this one arrived, and its connection may be closed.
    ///
    /// - Returns: true when the CancelRequest was written and has no conclusion yet; then there is no `reply`. False
    ///   when that is not so; then nothing changes.
    package func answered() -> Bool {
        leave(.written)
    }

    private func leave(_ state: State) -> Bool {
        guard move(from: state, to: .over) else { return false }
        dispatcher.post(.release(self))
        return true
    }
}

// MARK: - What the dispatcher says

extension CancelOrder {
    /// - Returns: false when the order was withdrawn, and must not be carried out.
    func beginDialling() -> Bool { move(from: .waiting, to: .dialling) }

    /// Called directly before the CancelRequest is written.
    ///
    /// - Returns: false when the order was withdrawn while it was dialled: a cancel for a request that has ended may
    ///   hit the next one.
    func beginWriting() -> Bool { move(from: .dialling, to: .written) }

    /// The order has ended; the session is told, unless it needs that no more.
    func conclude(_ result: Reaper.CancelResult) {
        let over = State.over.rawValue
        if state.exchange(over, ordering: .acquiringAndReleasing) != over { reply(result) }
    }
}
