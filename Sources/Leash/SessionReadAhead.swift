// A client that has sent more than its server reads, or more requests than are answered: its end stands behind those
// bytes, in its own kernel even, and would not be seen. So when nothing moves for a while it is read on, within bounds.

import PostgresWire
import Reactor

/// What a session knows of a client whose bytes have to wait.
struct ReadAhead {
    /// Since when nothing has moved.
    var since: MonotonicTime?
    /// The client is read although its bytes have to wait.
    var isOn = false
    /// What was taken of the limit that all sessions have.
    var taken: Int32 = 0
}

extension Session {
    /// How long a server may take nothing before the client is read ahead. A server that is busy with a bulk load takes
    /// nothing for moments all the time, and no memory need be spent on that.
    static let readAheadDelay = Duration.milliseconds(50)
    /// When there was no room, it is looked for again.
    static let readAheadPause = Duration.milliseconds(100)
    /// The most that is read ahead for one session: what the kernels of both ends keep of a connection, by Linux'
    /// defaults, a send buffer of 4 MiB and a receive buffer of 6 MiB, and room to spare.
    static let longestReadAhead: Int32 = 16 * 1024 * 1024

    /// Asked behind whatever can begin or end a wait of the client's bytes.
    func followWait(_ clientHasToWait: Bool) {
        guard clientHasToWait else { return readAhead.since == nil ? () : endReadAhead() }
        guard readAhead.since == nil, state.canBeReaped else { return }
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

    private var hasRoomToReadAhead: Bool {
        readAhead.taken < Self.longestReadAhead
            && worker.readAheadLimit.hasRoom(for: worker.loop.receiveBuffer.size)
    }

    /// So many bytes more are kept for a client that is read ahead.
    func chargeReadAhead(_ count: Int) {
        worker.readAheadLimit.take(count)
        readAhead.taken += Int32(count)
        guard !hasRoomToReadAhead else { return }
        readAhead.isOn = false
        lookAgain(after: Self.readAheadPause)
    }

    /// Nothing has to wait any more, or nobody waits for it.
    func endReadAhead() {
        worker.readAheadLimit.giveBack(Int(readAhead.taken))
        readAhead = ReadAhead()
    }
}
