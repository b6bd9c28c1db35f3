// Has the kernel make an attempt to reach a silent host when the timeout with it ends. Left alone, the kernel doubles
// its pauses up to 2 minutes, and keepalive ends a connection without asking once more.

import Reactor

/// The pace of the kernel's attempts at one socket, and what was asked of the kernel for it.
///
/// Since Linux 6.15 a socket's pauses can be bounded. Older kernels have one thing to the same effect: no pause reaches
/// over the end of TCP_USER_TIMEOUT (retransmissions since Linux 4.19, window probes since 5.11). At that end the
/// kernel would end the connection. So the option is set just before an attempt, for the pause after it, and taken back
/// when that attempt was made.
struct AttemptPacing {
    /// Where a peer says nothing or reads nothing, and answers: as long as from look to look, so that the beginning of
    /// a silence is known. Of a closed window a kernel then makes 15 probes in 15 s before it gives up, where this
    /// process is stopped that long at the same time.
    static let answeredPause = Duration.seconds(1)
    /// An attempt that comes before the next look, or soon after it.
    static let soon = Duration.milliseconds(1200)
    /// Time to take a user timeout back in.
    static let margin = Duration.seconds(3)
    /// What keeps the kernel from ending a connection by itself, where its pauses are shortened at the end.
    static let never = Duration.milliseconds(Int64(Int32.max))

    private let keepalive: Keepalive
    private var longestPause: Duration
    private var userTimeout: Duration
    /// Keepalive's probes are those of a busy session.
    private var probesOften = false
    /// The kernel takes shorter pauses; nil before it was asked.
    private var takesPauses: Bool?
    /// The last look at which the kernel's count of the time without progress stood at zero.
    private var steadyAt: MonotonicTime?
    /// The last attempt was made no earlier.
    private var attemptAt: MonotonicTime?
    /// From the last attempt to the next, and from that one on, where a user timeout says it.
    private var pullsIn: (now: Duration?, next: Duration?)
    private var probedAt: MonotonicTime?

    init(_ keepalive: Keepalive) {
        self.keepalive = keepalive
        (longestPause, userTimeout) = (keepalive.longestPause, keepalive.userTimeout)
    }

    mutating func noteAnswer() {
        (attemptAt, probedAt, pullsIn) = (nil, nil, (nil, nil))
    }

    /// A new attempt was seen at `now`, and not at `previous`.
    ///
    /// - Returns: when it was made.
    mutating func noteAttempt(
        _ attempts: Attempts, after previous: MonotonicTime, at now: MonotonicTime
    ) -> ClosedRange<MonotonicTime> {
        var sent = previous...max(previous, now)
        if attempts.kind == .retransmission, attempts.sinceSent < now.since(previous) {
            sent = now.earlier(by: attempts.sinceSent)...now.earlier(by: attempts.sinceSent)
        } else if let probedAt {
            sent = probedAt...probedAt
        }
        attemptAt = sent.lowerBound
        pullsIn = (pullsIn.next, nil)
        return sent
    }

    /// Changes the pace of `socket`, so that an attempt is made soon after `late`.
    mutating func adjust(
        _ socket: any StreamSocket, for attempts: Attempts, until late: MonotonicTime, at now: MonotonicTime
    ) {
        noteSteadiness(attempts, at: now)
        if attempts.count > 0, takesPauses == nil { setPause(socket, longestPause) }
        probeOften(socket)
        let left = late.since(now)
        let isLast = left < keepalive.longestPause + Self.margin
        switch attempts.kind {
        case .windowProbe where attempts.count == 0: set(socket, longestPause: Self.answeredPause)
        case .retransmissionIntoClosedWindow: set(socket, longestPause: Attempts.longestPause)
        case .retransmission where attempts.count > 0 && isLast: hasten(socket, within: left, isEndless: true)
        case .windowProbe where isLast: hasten(socket, within: left)
        case .keepalive where attempts.count > 0 && left == .zero: probe(socket, at: now)
        default: set(socket, longestPause: keepalive.longestPause)
        }
        if takesPauses == false, attempts.count > 0 { pullIn(socket, attempts, to: left, at: now) }
    }

    /// The kernel's time without progress begins with the first probe of a closed window. As the pauses double, all
    /// before the last one were as long as this one; a timer may be late by an eighth.
    private mutating func noteSteadiness(_ attempts: Attempts, at now: MonotonicTime) {
        if attempts.isSteady {
            steadyAt = now
        } else if steadyAt == nil, attempts.kind == .windowProbe, attempts.pause <= Self.margin {
            steadyAt = now.earlier(by: attempts.pause * 9 / 4 + Self.answeredPause / 2)
        }
    }

    /// Every pace is as the socket got it at its beginning.
    mutating func restore(_ socket: any StreamSocket) {
        set(socket, longestPause: keepalive.longestPause)
        guard probesOften else { return }
        probesOften = false
        _ = socket.setPace(.probes(idle: keepalive.idle, count: keepalive.kernelCount))
    }

    /// A kernel that takes shorter pauses would take them for a sign to give up: it computes from them how long it
    /// tries. A user timeout says it instead.
    private mutating func hasten(_ socket: any StreamSocket, within left: Duration, isEndless: Bool = false) {
        let pause = min(keepalive.longestPause, max(left, Self.answeredPause))
        let isOurs = isEndless && keepalive.userTimeout == .zero && takesPauses != false
        set(socket, longestPause: pause, userTimeout: isOurs ? Self.never : nil)
    }

    private mutating func set(_ socket: any StreamSocket, longestPause pause: Duration, userTimeout: Duration? = nil) {
        set(socket, userTimeout: userTimeout ?? keepalive.userTimeout)
        if pause != longestPause, takesPauses != false { setPause(socket, pause) }
    }

    private mutating func setPause(_ socket: any StreamSocket, _ pause: Duration) {
        longestPause = pause
        takesPauses = socket.setPace(.pauses(atMost: pause))
    }

    private mutating func set(_ socket: any StreamSocket, userTimeout timeout: Duration) {
        guard timeout != userTimeout else { return }
        userTimeout = timeout
        _ = socket.setPace(.userTimeout(timeout))
    }

    /// Has keepalive ask after each second of silence, and go on asking for the whole timeout and a bit.
    private mutating func probeOften(_ socket: any StreamSocket) {
        guard !probesOften, let probes = keepalive.probesWithinTimeout else { return }
        probesOften = true
        _ = socket.setPace(.probes(idle: Self.answeredPause, count: probes))
    }

    /// The kernel sends a probe that is overdue as soon as it is told when it is due.
    private mutating func probe(_ socket: any StreamSocket, at now: MonotonicTime) {
        guard probedAt == nil, let probes = keepalive.probesWithinTimeout else { return }
        probedAt = now
        _ = socket.setPace(.probes(idle: Self.answeredPause, count: probes))
    }

    /// Shortens the pause after the attempt that is about to come, on a kernel that has no other way.
    private mutating func pullIn(
        _ socket: any StreamSocket, _ attempts: Attempts, to left: Duration, at now: MonotonicTime
    ) {
        guard keepalive.userTimeout == .zero, let steadyAt, let attemptAt else { return }
        let due = attemptAt.advanced(by: pullsIn.now ?? attempts.pause).since(now)
        let natural = due + min(attempts.pause * 2, Attempts.longestPause)
        guard due <= Self.soon, natural > left - Self.margin else { return }
        // One that would come by itself shortly before would be no late one, and leave too little time for another.
        // Where the time is up, or nearly, one more is wanted soon.
        let wanted = natural >= left ? left : due + (left - due) / 2
        let end = max(wanted, due + Self.margin + Self.answeredPause)
        guard end < natural else { return }
        pullsIn.next = end - due
        set(socket, userTimeout: now.since(steadyAt) + end)
    }
}
