// How the conversation with the server is brought to its end when the client is gone. To a pooler between pgleash and
// the server, the end of the stream is the end of the session: it forgets the cancel key, and the query runs on. So
// what waits for its client is ended by messages, and the stream only where no message can follow.

extension SessionState {
    /// What is to be done now for the server to come to rest.
    package enum Ending: Equatable, Sendable {
        case nothing
        case send([UInt8])
        /// End our half of the stream; the server's answers are still awaited.
        case endStream
    }

    /// To be asked after each event of a session that is being reaped.
    package mutating func nextEnding(at now: Duration) -> Ending {
        guard let drop, !drop.hasEndedStream, !tracker.isAtRest, !tracker.hasSentTerminate else { return .nothing }
        if mustEndStream(drop) { return endStream(at: now) }
        guard !drop.isCut, !tracker.outstanding.isStartingUp else { return .nothing }
        let bytes = tracker.conclude()
        return bytes.isEmpty ? .nothing : .send(bytes)
    }

    /// The reaper wants to see what has been answered. Where nothing can be asked, the end of the stream shows it.
    ///
    /// Where the record is sure that something runs, nothing is asked: a Query may yet become a copy, and PgBouncer
    /// loses count of the answers to what is sent before its end. Another client would get the answer to the probe.
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

    /// The server can be told of the session's end by Terminate: it has whole messages only.
    package var canTerminate: Bool {
        guard let drop else { return false }
        return !drop.isCut && !drop.hasEndedStream && !tracker.hasSentTerminate
    }

    private func mustEndStream(_ drop: Drop) -> Bool {
        // The server waits for a password that nobody will send, or has one and goes on.
        if tracker.outstanding.isStartingUp { return tracker.isAskedForPassword }
        // Requests that it has as a whole it answers.
        guard drop.isCut, tracker.outstanding.awaitsClient else { return false }
        // What runs is cancelled first, as a pooler would let it run on; the reaper's probe ends the stream where
        // nothing shows that. Where nothing runs, or what runs may go on, the server learns of the client's end as
        // early as it would without pgleash.
        return tracker.isWaitingForClient || drop.reaper.hasGrace || cancelTiming == .never
    }
}
