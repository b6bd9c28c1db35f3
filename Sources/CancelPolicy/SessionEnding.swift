// The end of the conversation with the server after the client left. For a pooler between pgleash and the server, the
// end of the stream is the end of the session: it discards the cancel key, and the query continues. So a server that
// waits for the client gets messages, and the end of the stream only where no message is possible.

extension SessionState {
    /// The next step to make the server idle.
    package enum Ending: Equatable, Sendable {
        case nothing
        case send([UInt8])
        /// End pgleash's half of the stream. The server's replies are still read.
        case endStream
    }

    /// Called after each event of a session that is being reaped.
    package mutating func nextEnding(at now: Duration) -> Ending {
        guard let drop, !drop.hasEndedStream, !tracker.isAtRest, !tracker.hasSentTerminate else { return .nothing }
        if let rest = drop.cut?.restOfCopyData, tracker.isCopyingText {
            self.drop?.cut = nil
            return .send(tracker.conclude(after: rest))
        }
        if mustEndStream(drop) { return endStream(at: now) }
        guard !drop.isCut, !tracker.outstanding.isStartingUp else { return .nothing }
        let bytes = tracker.conclude()
        return bytes.isEmpty ? .nothing : .send(bytes)
    }

    /// The step for a probe of the reaper. Where no message is possible, the end of the stream has the same effect.
    ///
    /// Where the record is certain that a statement runs, nothing is sent: a Query may still become a copy, and
    /// PgBouncer loses count of the replies to messages that precede its end. Another client would get the reply to the
    /// probe.
    package mutating func probe(at now: Duration) -> Ending {
        guard let drop, !drop.hasEndedStream, !tracker.outstanding.isStartingUp, !tracker.isCopyingOut,
            !tracker.hasSentTerminate
        else { return .nothing }
        let isUncertain = tracker.outstanding.isUncertain
        if drop.isCut { return tracker.outstanding.awaitsClient || isUncertain ? endStream(at: now) : .nothing }
        return isUncertain ? .send(tracker.probe()) : .nothing
    }

    private mutating func endStream(at now: Duration) -> Ending {
        drop?.hasEndedStream = true
        drop?.reaper.streamEnded(at: now)
        return .endStream
    }

    /// The session can end with a Terminate: the server has received complete messages only.
    package var canTerminate: Bool {
        guard let drop else { return false }
        return !drop.isCut && !drop.hasEndedStream && !tracker.hasSentTerminate
    }

    private func mustEndStream(_ drop: Drop) -> Bool {
        // The server waits for a password that will not arrive, or has received one and continues.
        if tracker.outstanding.isStartingUp { return tracker.isAskedForPassword }
        // The server answers requests that it has received completely.
        guard drop.isCut, tracker.outstanding.awaitsClient else { return false }
        // A running statement is cancelled first, as a pooler would let it continue. The reaper's probe ends the stream
        // if no reply shows that it stopped. Where nothing runs, or the statement may continue, the server learns of
        // the client's end as early as without pgleash.
        return tracker.isWaitingForClient || drop.reaper.hasGrace || requestTiming == .never
    }
}
