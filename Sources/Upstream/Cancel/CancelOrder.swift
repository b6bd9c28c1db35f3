// An order of a session to the cancel dispatcher, shared between the threads of the worker and the dispatcher.

import CancelPolicy
import PostgresProtocol
import Reactor
import Synchronization

/// The route of a cancel: its destination and its protection. Sessions with the same route share one.
package final class CancelRoute: Sendable {
    /// The address that the session dialled, where the cancel is for a known session. It is not the socket's peer
    /// address: for a Unix socket that is the path that the server bound, relative to the server's file system and
    /// working directory, where pgleash may find another server or none.
    package let address: HostAddress
    /// The protection of the session's own connection: the key is as sensitive as the password until the session ends.
    package let protection: Protection

    package init(to address: HostAddress, _ protection: Protection) {
        self.address = address
        self.protection = protection
    }
}

/// The messages of sessions to the cancel dispatcher.
package enum DispatcherMessage: Sendable {
    case order(CancelOrder)
    /// The session no longer needs an order that is being carried out.
    case release(CancelOrder)
    /// A monitor has carried out an order, or gives it back.
    case monitorConcluded(CancelOrder, MonitorVerdict)
}

/// A backend as the server's `pg_stat_activity` shows it.
package struct BackendIdentity: Hashable, Sendable {
    /// nil where the server sent no cancel key.
    let processID: UInt32?
    /// pgleash's own address of the connection. While that is open, only a connection to another address of the server
    /// can have it, too.
    let local: SocketAddress
    /// The time at which the connection was opened, or a little before; needed where there is no process ID.
    let openedAt: MonotonicTime?

    package init(processID: UInt32?, local: SocketAddress, openedAt: MonotonicTime? = nil) {
        (self.processID, self.local, self.openedAt) = (processID, local, openedAt)
    }
}

/// A pending cancel of one backend. The session can withdraw it until the CancelRequest is written, and need not wait
/// for its conclusion when the server's reply shows that it arrived.
package final class CancelOrder: Sendable {
    /// The origin of the order.
    package enum Purpose: Sendable {
        /// The client is gone.
        case orphan
        /// A client's own CancelRequest for a known session.
        case client
        /// A CancelRequest with a key that belongs to no session.
        case unknownKey
    }

    /// What the backend is to do.
    package enum Signal: Sendable {
        case cancel
        /// End; only the monitor can do that.
        case terminate
        /// The same for a session that pgleash can't read, if the backend runs a statement and is not excluded.
        case terminateIfActive
    }

    package let purpose: Purpose
    package let signal: Signal
    package let route: CancelRoute
    /// nil where the server sent none; then only the monitor can carry out the order.
    package let key: CancelKey?
    /// nil where the monitor must not carry out the order.
    let backend: BackendIdentity?
    /// Called on the dispatcher's thread, at most once.
    private let reply: @Sendable (Reaper.CancelResult) -> Void
    private let dispatcher: Mailbox<DispatcherMessage>

    private enum State: UInt8 {
        case waiting, dialling, written
        /// In a statement of the monitor.
        case signalling
        /// The same, and the session no longer needs it: it must go no other way.
        case signallingUnneeded
        /// Concluded, withdrawn or answered, whichever comes first.
        case over
    }

    private let state = Atomic<UInt8>(State.waiting.rawValue)
    /// The monitor gave it back, and may have signalled the backend. Then a reply says nothing about a CancelRequest.
    private let isGivenBack = Atomic(false)

    /// - Parameters:
    ///   - dispatcher: receives a message when the session no longer needs the order.
    ///   - reply: called with the result on the dispatcher's thread; not after `withdraw` or `answered` returned true.
    package init(
        _ purpose: Purpose,
        _ route: CancelRoute,
        key: CancelKey?,
        backend: BackendIdentity? = nil,
        signal: Signal = .cancel,
        dispatcher: Mailbox<DispatcherMessage>,
        reply: @escaping @Sendable (Reaper.CancelResult) -> Void
    ) {
        (self.purpose, self.signal) = (purpose, signal)
        self.route = route
        (self.key, self.backend) = (key, backend)
        self.dispatcher = dispatcher
        self.reply = reply
    }

    var destination: SocketAddress { route.address.address }

    /// The backend's process ID, where it is known.
    var processID: UInt32? { key?.processID ?? backend?.processID }

    /// A CancelRequest can carry it out.
    var isForRequest: Bool { signal == .cancel && key != nil }

    /// The session can end its statement without the monitor.
    var hasOtherWay: Bool { signal != .terminateIfActive }

    private func move(from state: State, to next: State) -> Bool {
        self.state.compareExchange(
            expected: state.rawValue, desired: next.rawValue, ordering: .acquiringAndReleasing
        ).exchanged
    }
}

// MARK: - Calls of the session

extension CancelOrder {
    /// The session no longer needs the cancel.
    ///
    /// - Returns: true when the CancelRequest is never written; then there is no `reply`. False when it was written or
    ///   cannot be written, or the monitor has it; then `reply` has been called or will be.
    package func withdraw() -> Bool {
        // The monitor may give it back between two of these steps.
        while true {
            if move(from: .waiting, to: .over) || leave(.dialling) { return true }
            if move(from: .signalling, to: .signallingUnneeded) { return false }
            switch State(rawValue: state.load(ordering: .acquiring)) {
            case .waiting, .dialling, .signalling: continue
            case .written, .signallingUnneeded, .over, nil: return false
            }
        }
    }

    /// The session ends and counts the cancels that it sent: withdraws the order if possible.
    ///
    /// - Returns: the number of CancelRequests of the order: 1 where it was written or cannot be withdrawn, otherwise
    ///   0.
    package func settle() -> Int { withdraw() || signal != .cancel ? 0 : 1 }

    /// The server has replied as it does to a cancel, so this one arrived, and its connection may be closed.
    ///
    /// - Returns: true when the CancelRequest was written, or the monitor has it, and it has no conclusion yet; then
    ///   there is no `reply`. False otherwise; then nothing changes.
    package func answered() -> Bool {
        if !isGivenBack.load(ordering: .acquiring), leave(.written) { return true }
        return move(from: .signalling, to: .over) || move(from: .signallingUnneeded, to: .over)
    }

    private func leave(_ state: State) -> Bool {
        guard move(from: state, to: .over) else { return false }
        dispatcher.post(.release(self))
        return true
    }
}

// MARK: - Calls of the dispatcher

extension CancelOrder {
    /// - Returns: false when the order was withdrawn, and must not be carried out.
    func beginDialling() -> Bool { move(from: .waiting, to: .dialling) }

    /// Called immediately before the CancelRequest is written.
    ///
    /// - Returns: false when the order was withdrawn during the connection attempt: a cancel for a request that has
    ///   ended may cancel the next one.
    func beginWriting() -> Bool { move(from: .dialling, to: .written) }

    /// Called immediately before the monitor's statement is sent.
    ///
    /// - Returns: false when the order was withdrawn.
    func beginSignalling() -> Bool { move(from: .waiting, to: .signalling) }

    /// The monitor has not carried out the order, or not in time.
    ///
    /// - Returns: false when the session no longer needs it.
    func waitAgain() -> Bool {
        isGivenBack.store(true, ordering: .releasing)
        return move(from: .signalling, to: .waiting) || state.load(ordering: .acquiring) == State.waiting.rawValue
    }

    /// The order has ended. The session gets the result, unless it no longer needs it.
    func conclude(_ result: Reaper.CancelResult) {
        let over = State.over.rawValue
        if state.exchange(over, ordering: .acquiringAndReleasing) != over { reply(result) }
    }
}
