// When the host of a peer counts as lost: attempts to reach it are counted, never the time between two of them.

import Reactor

/// What is known of one peer's host since somebody began to look, every `PeerLiveness.checkInterval`.
///
/// A host is lost when some attempts went without an answer, one of them was made at the end of the timeout, and a
/// second has passed since that one. So a network that is whole again within the timeout ends nothing, however long
/// the kernel's pauses are.
struct HostMonitor {
    /// Between two looks of a process that runs. When it was stopped for longer, or waited for something, an attempt
    /// that is seen for the first time may have been made at the end of that time.
    static let longestPause = Duration.seconds(3)
    /// From an attempt to the look that takes it for unanswered; a bit less than between two looks.
    static let answerTime = Duration.milliseconds(900)
    /// How long before the end of the timeout an attempt is late: what two looks after it are not too late for.
    static let lateWindow = Duration.milliseconds(800)
    /// Attempts that must have gone unanswered, where keepalive's count asks for no fewer. As retransmissions come at
    /// doubling pauses there may not be many more within the timeout.
    static let mostNeeded = 3

    private let keepalive: Keepalive
    private var lastCheck: MonotonicTime
    /// The last time at which every attempt known of had its answer.
    private var answeredAt: MonotonicTime
    /// Unanswered attempts at the last look.
    private var count = 0
    /// When a late attempt had been made for certain.
    private var lateAttemptBy: MonotonicTime?
    private var pacing: AttemptPacing

    /// - Parameter now: when the first look is due; as if there had been one before, with all answered.
    init(_ keepalive: Keepalive, at now: MonotonicTime) {
        self.keepalive = keepalive
        pacing = AttemptPacing(keepalive)
        let before = now.earlier(by: PeerLiveness.checkInterval)
        (lastCheck, answeredAt) = (before, before)
    }

    /// Looks at `socket`, and sees to it that an attempt is made at the end of the timeout.
    ///
    /// - Returns: whether the peer's host is lost.
    mutating func check(_ socket: any StreamSocket, at now: MonotonicTime) -> Bool {
        guard let attempts = socket.attempts else { return false }
        let previous = lastCheck
        lastCheck = now
        note(attempts, after: previous, at: now)
        count = attempts.count
        if let lateAttemptBy, count >= needed, now.since(lateAttemptBy) >= Self.answerTime { return true }
        pacing.adjust(socket, for: attempts, until: lateFrom(attempts), at: now)
        return false
    }

    /// The socket is as if nobody had looked.
    mutating func end(_ socket: any StreamSocket) { pacing.restore(socket) }

    private var needed: Int {
        min(keepalive.count == 0 ? Self.mostNeeded : Int(keepalive.count), Self.mostNeeded)
    }

    private mutating func note(_ attempts: Attempts, after previous: MonotonicTime, at now: MonotonicTime) {
        // A count may outlive the answer: retransmissions count until something new is acknowledged.
        let isAnswered = attempts.count == 0 || attempts.silence < now.since(previous)
        if isAnswered {
            answeredAt = attempts.count == 0 ? now : now.earlier(by: attempts.silence)
            lateAttemptBy = nil
            pacing.noteAnswer()
        } else if count == 0, now.since(previous) > Self.longestPause {
            answeredAt = now.earlier(by: PeerLiveness.checkInterval)
        }
        guard attempts.count > (isAnswered ? 0 : count) else { return }
        let sent = pacing.noteAttempt(attempts, after: previous, at: now)
        if !isAnswered, sent.lowerBound >= lateFrom(attempts) { lateAttemptBy = lateAttemptBy ?? sent.upperBound }
    }

    /// From when on an attempt is late. The timeout begins when the last attempt known of was answered; the last
    /// packet may be older by a pause of the kernel, in which the host can't be missed.
    private func lateFrom(_ attempts: Attempts) -> MonotonicTime {
        let since = max(answeredAt, lastCheck.earlier(by: attempts.silence))
        return since.advanced(by: max(.zero, keepalive.timeout - Self.lateWindow))
    }
}
