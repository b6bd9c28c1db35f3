// A client that has sent more than its server reads, or more requests than are answered: its end stands behind those
// bytes, in its own kernel even, and would not be seen. So when nothing moves for a while it is read on, within bounds;
// and beyond them its kernel is asked, where that is ours.

import Reactor

/// What a session knows of a client whose bytes have to wait.
struct ReadAhead {
    /// What was taken of the limit that all sessions have. First, as the small ones then share a word.
    var taken = 0
    /// Since when nothing has moved.
    var since: MonotonicTime?
    /// The client is read although its bytes have to wait.
    var isOn = false
}

extension Session {
    /// How long a server may take nothing before the client is read ahead. A server that is busy with a bulk load takes
    /// nothing for moments all the time, and no memory need be spent on that.
    static let readAheadDelay = Duration.milliseconds(50)
    /// When there was no room, it is looked for again.
    static let readAheadPause = Duration.milliseconds(100)

    /// Asked behind whatever can begin or end a wait of the client's bytes.
    func followWait(_ clientHasToWait: Bool) {
        guard clientHasToWait else { return readAhead.since == nil ? () : endReadAhead() }
        guard readAhead.since == nil, conversation.state.canBeReaped else { return }
        readAhead.since = worker.loop.now
        // A timer that is running looks at the time when it comes; waits are often too short to make one each.
        if timer == nil { lookAgain(after: Self.readAheadDelay) }
    }

    /// Something has moved: the server took some of what it was left over.
    func restartWait() {
        guard readAhead.since != nil else { return }
        readAhead.since = worker.loop.now
        readAhead.isOn = false
        if timer == nil { lookAgain(after: Self.readAheadDelay) }
    }

    private func lookAgain(after delay: Duration) {
        setTimer(after: delay) { $0.considerReadAhead() }
    }

    private func considerReadAhead() {
        timer = nil
        guard case .relaying = stage, let since = readAhead.since, !readAhead.isOn else { return }
        let early = Self.readAheadDelay - worker.loop.now.since(since)
        if early > .zero { return lookAgain(after: early) }
        readAhead.isOn = hasRoomToReadAhead
        if readAhead.isOn { updateInterests(conversation.flow) } else { lookAgain(after: Self.readAheadPause) }
    }

    /// One session may take all there is: a client whose end must not be missed is worth it, and there is no telling
    /// whether others will come.
    private var hasRoomToReadAhead: Bool {
        worker.readAheadLimit.hasRoom(for: worker.loop.receiveBuffer.size)
    }

    /// So many bytes more are kept for a client that is read ahead.
    func chargeReadAhead(_ count: Int) {
        worker.readAheadLimit.take(count)
        readAhead.taken += count
        guard !hasRoomToReadAhead else { return }
        readAhead.isOn = false
        lookAgain(after: Self.readAheadPause)
    }

    /// The client is gone, and nobody could see its end for the bytes before it; asked every `lookPause`. Not of one
    /// that is read, nor of one that is left out: what that sent is to run.
    var isClientGoneUnseen: Bool {
        guard case .relaying = stage, readAhead.since != nil, !readAhead.isOn else { return false }
        return client.hasPeerEnded
    }

    /// Nothing has to wait any more, or nobody waits for it.
    func endReadAhead() {
        worker.readAheadLimit.giveBack(readAhead.taken)
        readAhead = ReadAhead()
    }
}
