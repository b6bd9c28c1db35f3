// A client that has sent more than its server reads: its end stands behind those bytes, in its own kernel even, and
// would not be seen. So when the server takes nothing for a while the client is read on, within bounds.

import PostgresWire
import Reactor

/// What a session knows of a server that doesn't read.
struct ReadAhead {
    /// When the server last took something, if not all.
    var stalledSince: MonotonicTime?
    /// The client is read although its bytes can't go on.
    var isOn = false
    /// What was taken of the limit that all sessions have.
    var taken = 0
}

extension Session {
    /// How long a server may take nothing before the client is read ahead. A server that is busy with a bulk load takes
    /// nothing for moments all the time, and no memory need be spent on that.
    static let readAheadDelay = Duration.milliseconds(50)
    /// When there was no room, it is looked for again.
    static let readAheadPause = Duration.milliseconds(100)
    /// The most that is read ahead for one session: what the kernels of both ends keep of a connection, by Linux'
    /// defaults, a send buffer of 4 MiB and a receive buffer of 6 MiB, and room to spare.
    static let longestReadAhead = 16 * 1024 * 1024

    /// The server has just taken something, perhaps all.
    func serverTook() {
        guard state.canBeReaped, toServer.isStalled || readAhead.stalledSince != nil else { return }
        readAhead.isOn = false
        giveReadAheadBack()
        guard toServer.isStalled else {
            readAhead.stalledSince = nil
            return
        }
        readAhead.stalledSince = worker.loop.now
        // A timer that is running looks at the time when it comes; stalls are often too short to make one each.
        if timer == nil { considerReadAhead(after: Self.readAheadDelay) }
    }

    private func considerReadAhead(after delay: Duration) {
        setTimer(after: delay) { $0.considerReadAhead() }
    }

    private func considerReadAhead() {
        timer = nil
        guard case .relaying = stage, let since = readAhead.stalledSince, !readAhead.isOn else { return }
        let early = Self.readAheadDelay - worker.loop.now.since(since)
        if early > .zero { return considerReadAhead(after: early) }
        readAhead.isOn = hasRoomToReadAhead
        if readAhead.isOn { updateInterests() } else { considerReadAhead(after: Self.readAheadPause) }
    }

    private var hasRoomToReadAhead: Bool {
        toServer.backlogCount < Self.longestReadAhead
            && worker.readAheadLimit.hasRoom(for: worker.loop.receiveBuffer.size)
    }

    /// The client's bytes follow those the server has not taken.
    func keepAhead(_ bytes: Span<UInt8>) {
        worker.readAheadLimit.take(bytes.count)
        readAhead.taken += bytes.count
        toServer.keep(bytes)
        if !hasRoomToReadAhead {
            readAhead.isOn = false
            considerReadAhead(after: Self.readAheadPause)
        }
        updateInterests()
    }

    /// Gives back what was taken for bytes that have gone since.
    func giveReadAheadBack() {
        guard readAhead.taken > 0 else { return }
        let left = min(readAhead.taken, toServer.backlogCount)
        worker.readAheadLimit.giveBack(readAhead.taken - left)
        readAhead.taken = left
    }
}
