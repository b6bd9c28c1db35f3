// What the two sides of a session say to each other: what one says is followed, and goes to the other.

import PostgresWire
import Reactor

/// Both directions of a session, and what is known from what passed. One value, so that what a wake-up does to it is
/// one access of the session's.
struct Conversation {
    /// What decides which sockets are read and written; nearly always as it was.
    struct Flow: Equatable {
        /// The client's further bytes have to wait: for the server to take those before them, or for room in the
        /// record of what is owed.
        let clientHasToWait: Bool
        let toServerIsStalled: Bool
        let toClientIsStalled: Bool
        /// The client is read although its bytes have to wait.
        var isReadAhead = false
    }

    /// What came of bytes that one side sent.
    struct Step {
        let isBusy: Bool
        let flow: Flow
        /// The other side's connection is broken.
        let failure: SystemError?
        /// So many bytes more are kept for the session.
        let growth: Int
    }

    var state = SessionState(isReplication: false)
    var toServer = Pipe(.frontend)
    var toClient = Pipe(.backend)

    var flow: Flow {
        Flow(
            clientHasToWait: toServer.isStalled || state.owed.isFull,
            toServerIsStalled: toServer.isStalled,
            toClientIsStalled: toClient.isStalled
        )
    }

    mutating func clientSent(
        _ bytes: Span<UInt8>,
        to server: any StreamSocket,
        _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> Step {
        let kept = keptCount
        // The state comes first: the answer may be there before `send` returns.
        try toServer.follow(bytes, traffic, &state) { state, kind, body in state.clientSent(kind, body) }
        let failure = toServer.deliver(bytes, to: server)
        return Step(isBusy: state.isBusy, flow: flow, failure: failure, growth: keptCount - kept)
    }

    mutating func serverSent(
        _ bytes: Span<UInt8>,
        to client: any StreamSocket,
        _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> Step {
        // Here too: the client may act on a ReadyForQuery before `send` returns.
        try serverSent(bytes, traffic)
        return deliver(bytes, to: client)
    }

    /// Passes on to the client what has been followed.
    mutating func deliver(_ bytes: Span<UInt8>, to client: any StreamSocket) -> Step {
        let failure = toClient.deliver(bytes, to: client)
        return Step(isBusy: state.isBusy, flow: flow, failure: failure, growth: 0)
    }

    /// Follows what the server sent; nobody has it yet, or there is nobody left to take it.
    mutating func serverSent(_ bytes: Span<UInt8>, _ traffic: Counters.Traffic) throws(MalformedMessage) {
        try toClient.follow(bytes, traffic, &state) { state, kind, body in state.serverAnswered(kind, body) }
    }

    private var keptCount: Int { toServer.keptCount + state.owed.byteCount }
}
