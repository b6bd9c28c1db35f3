// The monitor of a peer's host. It counts attempts to reach the host and never relies on the time between two of them.

import Reactor

/// The state of one peer's host since the first check, one every `PeerLiveness.checkInterval`.
///
/// A host is lost when several attempts had no response, one of them was made at the end of the timeout, and a second
/// has passed since that one. So an interruption of the network shorter than the timeout ends no connection, however
/// long the kernel's pauses are.
struct HostMonitor {
    /// The longest time between two checks of a running process. When it was stopped for longer, or waited, an attempt
    /// that is found for the first time may have been made at the end of that time.
    static let longestPause = Duration.seconds(3)
    /// The time from an attempt to the check that takes it for unanswered; slightly less than the check interval.
    static let answerTime = Duration.milliseconds(900)
    /// The time before the end of the timeout in which an attempt counts as late, so that two checks after it are in
    /// time.
    static let lateWindow = Duration.milliseconds(800)
    /// The number of unanswered attempts that is needed, where keepalive's count is not smaller. As the pauses between
    /// retransmissions double, there may not be many more within the timeout.
    static let mostNeeded = 3

    private let keepalive: Keepalive
    private var lastCheck: MonotonicTime
    /// The last time at which every known attempt was answered.
    private var answeredAt: MonotonicTime
    /// The number of unanswered attempts at the last check.
    private var count = 0
    /// The time by which a late attempt had certainly been made.
    private var lateAttemptBy: MonotonicTime?
    private var pacing: AttemptPacing

    /// - Parameter now: the time of the first check; the state is as after a previous check with all attempts answered.
    init(_ keepalive: Keepalive, at now: MonotonicTime) {
        self.keepalive = keepalive
        pacing = AttemptPacing(keepalive)
        let before = now.earlier(by: PeerLiveness.checkInterval)
        (lastCheck, answeredAt) = (before, before)
    }

    /// Checks `socket`, and ensures that an attempt is made at the end of the timeout.
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

    /// Resets the options of the socket.
    mutating func end(_ socket: any StreamSocket) { pacing.restore(socket) }

    private var needed: Int {
        min(keepalive.count == 0 ? Self.mostNeeded : Int(keepalive.count), Self.mostNeeded)
    }

    private mutating func note(_ attempts: Attempts, after previous: MonotonicTime, at now: MonotonicTime) {
        // The count can remain after a response: retransmissions count until new data is acknowledged.
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

    /// The time from which on an attempt is late. The timeout begins when the last known attempt was answered. The last
    /// packet may be older by a pause of the kernel, in which the host could not be noticed missing.
    private func lateFrom(_ attempts: Attempts) -> MonotonicTime {
        let since = max(answeredAt, lastCheck.earlier(by: attempts.silence))
        return since.advanced(by: max(.zero, keepalive.timeout - Self.lateWindow))
    }
}
