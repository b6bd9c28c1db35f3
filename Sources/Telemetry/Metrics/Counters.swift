// The counters of one thread. The report adds up those of all threads.

import CancelPolicy

/// The counters and gauges of one thread.
package final class Counters: Sendable {
    package let sessionsOpened = Counter()
    package let sessionsActive = Counter()
    package let sessionsBusy = Counter()
    package let sessionsEnded = CounterFamily<EndReason>()
    /// Clients that left while requests were outstanding.
    package let drops = CounterFamily<DropKind>()
    package let orphansActive = Counter()
    package let orphans = CounterFamily<Outcome>()
    /// The time from the drop to the end of its reaping.
    package let reapTime = Histogram()
    package let cancelsSent = CounterFamily<CancelWay>()
    package let backendsTerminated = Counter()
    /// What an earlier process had left.
    package let recoveredOrphans = CounterFamily<Outcome>()
    package let cancelsFailed = Counter()
    /// Cancels that were not sent because their connection could not be encrypted as their session's was.
    package let cancelsUnprotected = Counter()
    package let clientCancelsRelayed = Counter()
    package let clientCancelsFailed = Counter()
    package let connectFailures = Counter()
    package let protocolErrors = CounterFamily<Side>()
    package let clientsRejected = Counter()
    /// Failed certificate reloads.
    package let reloadFailures = Counter()
    /// The traffic from each side.
    package let client = Traffic()
    package let server = Traffic()

    /// The traffic from one side.
    package final class Traffic: Sendable {
        package let bytes = Counter()
        package let messages = Counter()
    }

    package init() {}
}

/// One of the two sides of a session.
package enum Side: String, CaseIterable, Sendable {
    case client
    case server
}

/// The way in which a cancel reaches its backend.
package enum CancelWay: String, CaseIterable, Sendable {
    case request
    case monitor
}
