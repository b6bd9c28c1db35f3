// Everything one thread counts. The report adds up the threads'.

import CancelPolicy

/// The counters and gauges of one thread.
package final class Counters: Sendable {
    package let sessionsOpened = Counter()
    package let sessionsActive = Counter()
    package let sessionsBusy = Counter()
    package let sessionsEnded = CounterFamily<EndReason>()
    /// Clients that left while the server owed them something.
    package let drops = CounterFamily<DropKind>()
    package let orphansActive = Counter()
    package let orphans = CounterFamily<Outcome>()
    /// From the drop to the end of its reaping.
    package let reapTime = Histogram()
    package let cancelsSent = Counter()
    package let cancelsFailed = Counter()
    /// Not sent, as their connection could not be encrypted as their session's was.
    package let cancelsUnprotected = Counter()
    package let clientCancelsRelayed = Counter()
    package let clientCancelsFailed = Counter()
    package let connectFailures = Counter()
    package let protocolErrors = CounterFamily<Side>()
    package let clientsRejected = Counter()
    /// Certificates that could not be used when they were read again.
    package let reloadFailures = Counter()
    /// What came from each side.
    package let client = Traffic()
    package let server = Traffic()

    /// What came from one side.
    package final class Traffic: Sendable {
        package let bytes = Counter()
        package let messages = Counter()
    }

    package init() {}
}

/// One of the two ends of a session.
package enum Side: String, CaseIterable, Sendable {
    case client
    case server
}
