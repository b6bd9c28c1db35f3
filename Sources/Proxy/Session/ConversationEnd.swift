// The client's Terminate. To PostgreSQL it makes no difference when it comes: it is read after all that stands before
// it is answered. A pooler forgets the session as soon as it reads it, cancel key and all, and what runs, runs on. So
// while something runs it is held back, and goes on after the last answer.

import PostgresProtocol
import Reactor
import Telemetry

/// What is known of the end of a client's stream.
struct StreamEnd: Equatable, Sendable {
    private enum State: UInt8 {
        case open
        /// The last bytes look like a Terminate or the beginning of one. Whether they are is known when all before them
        /// has gone, and the rest has come.
        case undecided
        /// A Terminate is held back.
        case held
        /// The same, and it was so when sessions were looked at.
        case seenHeld
        /// The Terminate that was held back has gone.
        case over
    }

    private var state = State.open
    /// So many bytes of a Terminate are kept back.
    fileprivate private(set) var keptCount = 0

    /// What the client sends is looked at for a Terminate, and passed on otherwise.
    var isOpen: Bool { state == .open }
    var isUndecided: Bool { state == .undecided }
    var isHeld: Bool { state == .held || state == .seenHeld }

    fileprivate mutating func keep(_ count: Int) {
        state = .undecided
        keptCount += count
    }

    fileprivate mutating func hold() { state = .held }

    fileprivate mutating func release() {
        state = isHeld ? .over : .open
        keptCount = 0
    }

    /// - Returns: whether the Terminate has been held back for a while: from one look to the next.
    fileprivate mutating func isHeldSinceLastCheck() -> Bool {
        guard state == .held else { return state == .seenHeld }
        state = .seenHeld
        return false
    }
}

extension Conversation {
    /// The last bytes may be a Terminate or the beginning of one. Nearly always two of them tell that they are not: the
    /// end of a Query is a zero behind its text, that of a Sync its length.
    @inline(__always) static func mayEndInTerminate(_ bytes: Span<UInt8>) -> Bool {
        let count = bytes.count
        guard count > 0 else { return false }
        switch bytes[count - 1] {
        case 4: return count >= 5 && bytes[count - 5] == FrontendKind.terminate
        case 0: return count > 1 && (bytes[count - 2] == FrontendKind.terminate || bytes[count - 2] == 0)
        case let last: return last == FrontendKind.terminate
        }
    }

    /// Passes on what may be the end of the client's stream, or follows it.
    @inline(never) mutating func passEnd(
        _ bytes: Span<UInt8>, to server: any StreamSocket, _ traffic: Counters.Traffic
    ) throws(MalformedMessage) -> SystemError? {
        // After a Terminate the server reads nothing.
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

    /// So many of the last bytes are a Terminate or the beginning of one, if a message begins with them.
    private static func terminateCount(atEndOf bytes: Span<UInt8>) -> Int {
        for count in stride(from: min(bytes.count, LastMessages.terminate.count), to: 0, by: -1)
        where isTerminate(bytes.extracting(bytes.count - count..<bytes.count), from: 0) {
            return count
        }
        return 0
    }

    /// The bytes are those of a Terminate from `start` on, or some of them.
    private static func isTerminate(_ bytes: Span<UInt8>, from start: Int) -> Bool {
        let terminate = LastMessages.terminate
        guard bytes.count <= terminate.count - start else { return false }
        for index in 0..<bytes.count where bytes[index] != terminate[start + index] { return false }
        return true
    }

    /// All that stands before the bytes that look like a Terminate may have gone.
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

    /// Lets a Terminate that is held back go when nothing runs any more.
    mutating func releaseTerminate(to server: any StreamSocket) {
        guard end.isHeld, !state.mustHoldTerminate else { return }
        end.release()
        state.tracker.clientSent(FrontendKind.terminate)
        let bytes = LastMessages.terminate
        _ = toServer.deliver(bytes.span, to: server)
    }

    /// Asked at each look at the sessions: the Terminate has been held back for a while, and all that is owed is a
    /// batch that a client which has said goodbye won't end.
    mutating func isTerminateOverdue() -> Bool {
        end.isHeld && end.isHeldSinceLastCheck() && state.tracker.outstanding.isAtOpenBatch
    }
}
