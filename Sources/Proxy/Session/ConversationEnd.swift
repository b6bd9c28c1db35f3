// The client's Terminate. PostgreSQL reads it after it has answered all messages before it, so its time does not
// matter. A pooler ends the session as soon as it reads it and discards the cancel key, and a running statement
// continues. So pgleash holds a Terminate while a statement runs, and sends it after the last reply.

import PostgresProtocol
import Reactor
import Telemetry

/// The state of the end of a client's stream.
struct StreamEnd: Equatable, Sendable {
    private enum State: UInt8 {
        case open
        /// The last bytes look like a Terminate or its beginning. This is decided when all bytes before them are sent,
        /// and the rest has arrived.
        case undecided
        /// A Terminate is held.
        case held
        /// The same, and it was so at the last check of the sessions.
        case seenHeld
        /// The Terminate that was held has been sent.
        case over
    }

    private var state = State.open
    /// The number of bytes of a Terminate that are kept.
    fileprivate var keptCount: Int { Int(kept) }
    private var kept: UInt8 = 0

    /// The client's bytes are checked for a Terminate, and passed on otherwise.
    var isOpen: Bool { state == .open }
    var isUndecided: Bool { state == .undecided }
    var isHeld: Bool { state == .held || state == .seenHeld }

    fileprivate mutating func keep(_ count: Int) {
        state = .undecided
        kept += UInt8(count)
    }

    fileprivate mutating func hold() { state = .held }

    fileprivate mutating func release() {
        state = isHeld ? .over : .open
        kept = 0
    }

    /// - Returns: whether the Terminate was held at the last check already.
    fileprivate mutating func isHeldSinceLastCheck() -> Bool {
        guard state == .held else { return state == .seenHeld }
        state = .seenHeld
        return false
    }
}

extension Conversation {
    /// The last bytes may be a Terminate or its beginning. Nearly always two of them show that they are not: a Query
    /// ends with a zero byte after its text, a Sync with its length.
    @inline(__always) static func mayEndInTerminate(_ bytes: Span<UInt8>) -> Bool {
        let count = bytes.count
        guard count > 0 else { return false }
        switch bytes[count - 1] {
        case 4: return count >= 5 && bytes[count - 5] == FrontendKind.terminate
        case 0: return count > 1 && (bytes[count - 2] == FrontendKind.terminate || bytes[count - 2] == 0)
        case let last: return last == FrontendKind.terminate
        }
    }

    /// Passes on bytes that may be the end of the client's stream, or keeps the end.
    @inline(never) mutating func passEnd(
        _ bytes: Span<UInt8>, to server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        // The server reads nothing after a Terminate.
        guard end.isOpen || end.isUndecided else { return nil }
        if end.isUndecided {
            if Self.isTerminate(bytes, from: end.keptCount) {
                end.keep(bytes.count)
                return try decideEnd(server, traffic)
            }
            if let error = try passKept(to: server, traffic) { return error }
        }
        let count = Self.terminateCount(atEndOf: bytes)
        let before = bytes.extracting(0..<bytes.count - count)
        if before.count > 0, let error = try pass(before, to: server, traffic) { return error }
        guard count > 0 else { return nil }
        end.keep(count)
        return try decideEnd(server, traffic)
    }

    /// The number of the last bytes that are a Terminate or its beginning, if a message begins with them.
    private static func terminateCount(atEndOf bytes: Span<UInt8>) -> Int {
        for count in stride(from: min(bytes.count, LastMessages.terminate.count), to: 0, by: -1)
        where isTerminate(bytes.extracting(bytes.count - count..<bytes.count), from: 0) {
            return count
        }
        return 0
    }

    /// The bytes are those of a Terminate from `start` on, or the first of them.
    private static func isTerminate(_ bytes: Span<UInt8>, from start: Int) -> Bool {
        let terminate = LastMessages.terminate
        guard bytes.count <= terminate.count - start else { return false }
        for index in 0..<bytes.count where bytes[index] != terminate[start + index] { return false }
        return true
    }

    /// All bytes before those that look like a Terminate may have been sent.
    mutating func decideEnd(
        _ server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        guard !toServer.isStalled else { return nil }
        if !toServer.isCut {
            guard end.keptCount == LastMessages.terminate.count else { return nil }
            if state.mustHoldTerminate {
                state.tracker.terminateHeld()
                end.hold()
                return nil
            }
        }
        return try passKept(to: server, traffic)
    }

    private mutating func passKept(
        to server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        let bytes = LastMessages.terminate.prefix(end.keptCount)
        end.release()
        return try pass(bytes.span, to: server, traffic)
    }

    /// Sends a held Terminate when no statement runs any more.
    mutating func releaseTerminate(to server: any StreamSocket) {
        guard end.isHeld, !state.mustHoldTerminate else { return }
        end.release()
        state.tracker.clientSent(FrontendKind.terminate)
        let bytes = LastMessages.terminate
        _ = toServer.deliver(bytes.span, to: server)
    }

    /// Called at each check of the sessions: the Terminate was held at the last one, too, and the server waits for the
    /// rest of a copy or of a batch, which the client will not send after its Terminate.
    mutating func isTerminateOverdue() -> Bool {
        let outstanding = state.tracker.outstanding
        return end.isHeld && end.isHeldSinceLastCheck() && (outstanding.copying || outstanding.isAtOpenBatch)
    }
}
