// The conversation of a session: the messages of each side are scanned and passed on to the other one.

import CancelPolicy
import PostgresProtocol
import Reactor
import Settings
import Telemetry
import Upstream

/// Both directions of a session, and the state that follows from the messages. It is one value, so that a wake-up
/// changes it in one access.
struct Conversation {
    /// The state that determines which sockets are read and written; nearly always unchanged.
    struct Flow: Equatable {
        /// Further bytes of the client must wait: for the server to take those before them, or for room in the record
        /// of outstanding requests.
        let clientHasToWait: Bool
        /// The server should take the remaining bytes, and the record has room for their requests.
        let toServerWantsRoom: Bool
        let toClientIsStalled: Bool
        /// The client is read although its bytes must wait.
        var isReadAhead = false
    }

    /// The result of bytes that one side sent.
    struct Step {
        let isBusy: Bool
        let flow: Flow
        /// The connection of the other side is broken.
        let failure: SystemError?
        /// The number of additional bytes that are kept for the session.
        let growth: Int
    }

    var state: SessionState
    /// The server may still send its cancel key.
    private var isKeyAwaited = true
    var end = StreamEnd()
    var toServer = Pipe(.frontend)
    var toClient = Pipe(.backend)

    init(_ state: SessionState = SessionState(isReplication: false)) { self.state = state }

    /// The state in the words of `pg_stat_activity.state`, where it has one.
    var stateName: String {
        if state.tracker.outstanding.isStartingUp { return "authenticating" }
        if state.tracker.isBusy { return "active" }
        return state.tracker.isInTransaction ? "idle in transaction" : "idle"
    }

    func backend(by route: CancelRoute?) -> Backend {
        Backend(
            cancelKey: state.tracker.cancelKey, address: route?.address.address,
            applicationName: state.tracker.applicationName
        )
    }

    /// A client or other sessions wait for what one of the hosts does next.
    var isWaitedFor: Bool { state.tracker.isBusy || state.tracker.isInTransaction || toServer.isStalled }

    var flow: Flow { flow(state.tracker.outstanding.load) }

    private func flow(_ load: OutstandingRequests.Load) -> Flow {
        Flow(
            clientHasToWait: toServer.isStalled || load.isFull,
            toServerWantsRoom: toServer.isStalled && !load.isFull,
            toClientIsStalled: toClient.isStalled
        )
    }

    /// - Parameter kept: the number of bytes that were kept before; nil where no more can be.
    private func step(_ failure: SystemError?, keptBefore kept: Int? = nil) -> Step {
        let load = state.tracker.outstanding.load
        let growth = kept.map { toServer.keptCount + load.byteCount - $0 } ?? 0
        return Step(isBusy: load.isBusy, flow: flow(load), failure: failure, growth: growth)
    }

    /// Sends the startup packet, the first bytes for a new server.
    mutating func open(with packet: [UInt8], to server: any StreamSocket, _ traffic: Counters.Traffic) -> Flow {
        toServer.expectPrelude(packet.count)
        // The packet contains no message that could be malformed.
        _ = try? pass(packet.span, to: server, traffic)
        return flow
    }

    mutating func clientSent(
        _ bytes: Span<UInt8>,
        to server: any StreamSocket,
        _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> Step {
        traffic.bytes.add(Int64(bytes.count))
        let kept = toServer.keptCount + state.tracker.outstanding.load.byteCount
        let isOrdinary = end.isOpen && !Self.mayEndInTerminate(bytes)
        let failure = try isOrdinary ? pass(bytes, to: server, traffic) : passEnd(bytes, to: server, traffic)
        return step(failure, keptBefore: kept)
    }

    /// Only bytes that the server has received are scanned, as it replies to those only.
    @inline(__always) mutating func pass(
        _ bytes: Span<UInt8>, to server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        try toServer.pass(bytes, to: server, traffic, &state.tracker)
    }

    /// The server may take more of the remaining bytes.
    mutating func serverHasRoom(
        _ server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> Step {
        var failure = try toServer.passMore(to: server, traffic, &state.tracker)
        if failure == nil, end.isUndecided { failure = try decideEnd(server, traffic) }
        return step(failure)
    }

    /// - Parameter opened: called once, when the login is complete: before the client has the key, if there is one, and
    ///   could use it.
    mutating func serverSent(
        _ bytes: Span<UInt8>,
        to client: any StreamSocket,
        _ traffic: Counters.Traffic,
        opened: (CancelKey?) -> Void
    ) throws(MalformedMessage) -> Step {
        // The state changes first: the client may act on a ReadyForQuery before `send` returns.
        try serverSent(bytes, traffic)
        if isKeyAwaited {
            isKeyAwaited = state.tracker.cancelKey == nil && state.tracker.outstanding.isStartingUp
            if !isKeyAwaited { opened(state.tracker.cancelKey) }
        }
        let failure = toClient.deliver(bytes, to: client)
        return step(failure)
    }

    /// The client is gone, or pgleash ends its session.
    mutating func clientDropped(
        _ kind: DropKind, _ limits: Configuration.Cancel, _ monitor: Reaper.Monitor?
    ) -> SessionState.Action {
        // A malformed message has no end, and after a shutdown no cancel can follow a grace.
        let cut = kind == .protocolError ? .unknown : toServer.cutMessage
        let grace = kind == .shutdown ? .zero : limits.grace
        return state.clientDropped(kind, cut: cut, timeout: limits.timeout, grace: grace, monitor: monitor)
    }

    /// Scans the bytes that the server sent. They are not sent to the client here.
    mutating func serverSent(_ bytes: Span<UInt8>, _ traffic: Counters.Traffic) throws(MalformedMessage) {
        traffic.bytes.add(Int64(bytes.count))
        try toClient.follow(bytes, traffic, &state.tracker)
    }
}
