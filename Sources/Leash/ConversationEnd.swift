// The client's Terminate. To PostgreSQL it makes no difference when it comes: it is read after all that stands before
// it is answered. A pooler forgets the session as soon as it reads it, cancel key and all, and what runs, runs on. So
// while something runs it is held back, and goes on after the last answer.

import PostgresWire
import Reactor

/// What is known of the end of a client's stream.
struct StreamEnd: Equatable, Sendable {
    private enum State: UInt8 {
        case open
        /// The last bytes look like a Terminate; whether they are one is known when all before them has gone.
        case undecided
        /// A Terminate is held back.
        case held
        /// The same, and it was so when sessions were looked at.
        case seenHeld
        /// The Terminate that was held back has gone.
        case over
    }

    private var state = State.open

    /// What the client sends is looked at for a Terminate, and passed on otherwise.
    var isOpen: Bool { state == .open }
    var isUndecided: Bool { state == .undecided }
    var isHeld: Bool { state == .held || state == .seenHeld }

    fileprivate mutating func keep() { state = .undecided }
    fileprivate mutating func hold() { state = .held }
    fileprivate mutating func letGo() { state = isHeld ? .over : .open }

    /// - Returns: whether the Terminate has been held back for a while: from one look to the next.
    fileprivate mutating func look() -> Bool {
        guard state == .held else { return state == .seenHeld }
        state = .seenHeld
        return false
    }
}

extension Conversation {
    /// A type byte and a length.
    private static let terminateLength = 5

    /// The bytes end like a Terminate; they may also be the end of another message.
    @inline(__always) static func endsLikeTerminate(_ bytes: Span<UInt8>) -> Bool {
        let start = bytes.count - terminateLength
        guard start >= 0, bytes[start] == FrontendKind.terminate else { return false }
        return bytes.bigEndianUInt32(at: start + 1) == 4
    }

    /// Passes on what may be the end of the client's stream, or follows it.
    @inline(never) mutating func passEnd(
        _ bytes: Span<UInt8>, to server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        // After a Terminate the server reads nothing.
        guard end.isOpen || end.isUndecided else { return nil }
        if end.isUndecided {
            end.letGo()
            if let error = try passTerminate(to: server, traffic) { return error }
        }
        guard Self.endsLikeTerminate(bytes) else { return try pass(bytes, to: server, traffic) }
        let before = bytes.extracting(0..<bytes.count - Self.terminateLength)
        if before.count > 0, let error = try pass(before, to: server, traffic) { return error }
        end.keep()
        return try decideEnd(server, traffic)
    }

    /// All that stands before the bytes that look like a Terminate may have gone.
    mutating func decideEnd(
        _ server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        guard !toServer.isStalled else { return nil }
        if !toServer.isCut, state.mustHoldTerminate {
            state.terminateHeld()
            end.hold()
            return nil
        }
        end.letGo()
        return try passTerminate(to: server, traffic)
    }

    private mutating func passTerminate(
        to server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        let bytes = LastMessages.terminate
        return try pass(bytes.span, to: server, traffic)
    }

    /// Lets a Terminate that is held back go when nothing runs any more.
    mutating func releaseTerminate(to server: any StreamSocket) {
        guard end.isHeld, !state.mustHoldTerminate else { return }
        letTerminateGo(to: server)
    }

    /// Lets it go, too, where the server waits for the rest of a batch, and a client that has not gone won't send it.
    mutating func releaseOverdueTerminate(to server: any StreamSocket) {
        guard end.look(), state.owed.awaitsClient else { return }
        letTerminateGo(to: server)
    }

    private mutating func letTerminateGo(to server: any StreamSocket) {
        end.letGo()
        state.clientSent(FrontendKind.terminate)
        let bytes = LastMessages.terminate
        _ = toServer.deliver(bytes.span, to: server)
    }
}
