// The pacing of the kernel's attempts to reach a silent host, so that one is made when the timeout ends. By default the
// kernel doubles its pauses up to 2 minutes, and keepalive ends a connection without another probe.

import Reactor

/// The pace of the kernel's attempts at one socket, and the socket options set for it.
///
/// Since Linux 6.15 the pauses of a socket can be limited. Older kernels have one option with the same effect: no pause
/// extends beyond the end of TCP_USER_TIMEOUT (retransmissions since Linux 4.19, window probes since 5.11). At that end
/// the kernel would end the connection. So the option is set just before an attempt, for the pause after it, and reset
/// after that attempt.
struct AttemptPacing {
    /// The pause where a peer sends or reads nothing but responds: as long as the check interval, so that the beginning
    /// of a silence is known. With a closed window a kernel then makes 15 probes in 15 s before it gives up, if this
    /// process is stopped during the same time.
    static let answeredPause = Duration.seconds(1)
    /// The time until an attempt that is due before the next check, or soon after it.
    static let soon = Duration.milliseconds(1200)
    /// The time to reset a user timeout.
    static let margin = Duration.seconds(3)
    /// A user timeout that prevents the kernel from ending a connection itself, where its last pauses are shortened.
    static let never = Duration.milliseconds(Int64(Int32.max))

    private let keepalive: Keepalive
    private var longestPause: Duration
    private var userTimeout: Duration
    /// Keepalive's probes are those of a busy session.
    private var probesOften = false
    /// The kernel supports shorter pauses; nil before this is known.
    private var takesPauses: Bool?
    /// The last check at which the kernel's time without progress was zero.
    private var steadyAt: MonotonicTime?
    /// The earliest time of the last attempt.
    private var attemptAt: MonotonicTime?
    /// The time from the last attempt to the next, and the one after that, where a user timeout determines them.
    private var pullsIn: (now: Duration?, next: Duration?)
    private var probedAt: MonotonicTime?

    init(_ keepalive: Keepalive) {
        self.keepalive = keepalive
        (longestPause, userTimeout) = (keepalive.longestPause, keepalive.userTimeout)
    }

    mutating func noteAnswer() {
        (attemptAt, probedAt, pullsIn) = (nil, nil, (nil, nil))
    }

    /// A new attempt was found at `now`, and not at `previous`.
    ///
    /// - Returns: the time at which it was made.
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

    /// The kernel's time without progress begins with the first probe of a closed window. As the pauses double, the sum
    /// of those before the last one equals the last one; a timer may be late by an eighth.
    private mutating func noteSteadiness(_ attempts: Attempts, at now: MonotonicTime) {
        if attempts.isSteady {
            steadyAt = now
        } else if steadyAt == nil, attempts.kind == .windowProbe, attempts.pause <= Self.margin {
            steadyAt = now.earlier(by: attempts.pause * 9 / 4 + Self.answeredPause / 2)
        }
    }

    /// Resets the pace to the socket's initial one.
    mutating func restore(_ socket: any StreamSocket) {
        set(socket, longestPause: keepalive.longestPause)
        guard probesOften else { return }
        probesOften = false
        _ = socket.setPace(.probes(idle: keepalive.idle, count: keepalive.kernelCount))
    }

    /// The kernel computes from shorter pauses how long it tries, and would give up earlier. A user timeout prevents
    /// this.
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

    /// Makes keepalive probe after each second of silence, and continue for longer than the timeout.
    private mutating func probeOften(_ socket: any StreamSocket) {
        guard !probesOften, let probes = keepalive.probesWithinTimeout else { return }
        probesOften = true
        _ = socket.setPace(.probes(idle: Self.answeredPause, count: probes))
    }

    /// The kernel sends an overdue probe as soon as the option is set.
    private mutating func probe(_ socket: any StreamSocket, at now: MonotonicTime) {
        guard probedAt == nil, let probes = keepalive.probesWithinTimeout else { return }
        probedAt = now
        _ = socket.setPace(.probes(idle: Self.answeredPause, count: probes))
    }

    /// Shortens the pause after the next attempt, on a kernel without another way.
    private mutating func pullIn(
        _ socket: any StreamSocket, _ attempts: Attempts, to left: Duration, at now: MonotonicTime
    ) {
        guard keepalive.userTimeout == .zero, let steadyAt, let attemptAt else { return }
        let due = attemptAt.advanced(by: pullsIn.now ?? attempts.pause).since(now)
        let natural = due + min(attempts.pause * 2, Attempts.longestPause)
        guard due <= Self.soon, natural > left - Self.margin else { return }
        // An attempt that comes shortly before that time by itself would not be a late one, and would leave too little
        // time for another. At the end of the timeout, or shortly before it, one more attempt is needed soon.
        let wanted = natural >= left ? left : due + (left - due) / 2
        let end = max(wanted, due + Self.margin + Self.answeredPause)
        guard end < natural else { return }
        pullsIn.next = end - due
        set(socket, userTimeout: now.since(steadyAt) + end)
    }
}
