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
        /// The server is to take what is left over, and there is room in the record for it.
        let toServerWantsRoom: Bool
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
    var end = StreamEnd()
    var toServer = Pipe(.frontend)
    var toClient = Pipe(.backend)

    var flow: Flow {
        let isFull = state.owed.isFull
        return Flow(
            clientHasToWait: toServer.isStalled || isFull,
            toServerWantsRoom: toServer.isStalled && !isFull,
            toClientIsStalled: toClient.isStalled
        )
    }

    /// Sends the start-up packet, the first bytes for a new server.
    mutating func open(with packet: [UInt8], to server: any StreamSocket, _ traffic: Counters.Traffic) {
        toServer.expectPrelude(packet.count)
        // It has no message that could be malformed.
        _ = try? pass(packet.span, to: server, traffic)
    }

    mutating func clientSent(
        _ bytes: Span<UInt8>,
        to server: any StreamSocket,
        _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> Step {
        traffic.bytes.add(Int64(bytes.count))
        let kept = keptCount
        let isOrdinary = end.isOpen && !Self.mayEndInTerminate(bytes)
        let failure = try isOrdinary ? pass(bytes, to: server, traffic) : passEnd(bytes, to: server, traffic)
        return Step(isBusy: state.isBusy, flow: flow, failure: failure, growth: keptCount - kept)
    }

    /// What the server has got is followed, and nothing else: it is what the server will answer.
    @inline(__always) mutating func pass(
        _ bytes: Span<UInt8>, to server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        try toServer.pass(bytes, to: server, traffic, &state) { state, kind, body in state.clientSent(kind, body) }
    }

    /// The server may take more of what is left over.
    mutating func serverHasRoom(
        _ server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> Step {
        var failure = try toServer.passMore(to: server, traffic, &state) { $0.clientSent($1, $2) }
        if failure == nil, end.isUndecided { failure = try decideEnd(server, traffic) }
        return Step(isBusy: state.isBusy, flow: flow, failure: failure, growth: 0)
    }

    mutating func serverSent(
        _ bytes: Span<UInt8>,
        to client: any StreamSocket,
        _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> Step {
        // The state comes first: the client may act on a ReadyForQuery before `send` returns.
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
        traffic.bytes.add(Int64(bytes.count))
        try toClient.follow(bytes, traffic, &state) { state, kind, body in state.serverAnswered(kind, body) }
    }

    private var keptCount: Int { toServer.keptCount + state.owed.byteCount }
}
