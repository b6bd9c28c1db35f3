// The timing of cancels: which of the requests of an orphan may be cancelled, and when. The statements that the client
// sent must take effect up to some point and not after it, as without pgleash, and never without the first part.

import PostgresProtocol

/// The time at which the request that the server processes may be cancelled.
package enum CancelTiming: Hashable, Sendable {
    /// No request follows it, or its error makes all later requests fail.
    case atOnce
    /// Other requests follow that would run without it. It is cancelled when it has had no reply for a while, because
    /// requests that take this long are those that an application would cancel, too.
    case whenSlow
    /// A COMMIT follows within the transaction block of the request. A cancel that arrives late would end the wait of
    /// the COMMIT for a synchronous standby, so it must be unlikely that the request ends at this moment.
    case whenVerySlow
    /// The request is a statement that is never cancelled, or such a statement follows, which a late cancel would
    /// reach: the statements after that one would run without it.
    case never
    /// Other requests follow that would run without it, and the monitor ends the backend with all of them instead.
    case endOfBackend

    /// The time without a reply before a cancel is sent; nil for never.
    var delay: Duration? {
        switch self {
        case .atOnce: .zero
        case .whenSlow: Self.slow
        case .whenVerySlow: Self.verySlow
        case .never, .endOfBackend: nil
        }
    }

    /// Long for a short statement, short for a slow one. Measured on two cores with PostgreSQL 15, with one client, and
    /// beside 8 backends that compute: 1 of 100,000 SELECTs takes longer in both cases. With one client 2 of 100,000
    /// UPDATEs by key do, which wait for the disk; beside the 8 backends, which slow the disk down, 3 of 100. With 20
    /// ms it would be 30 of 100,000 SELECTs.
    static let slow = Duration.milliseconds(40)
    /// A cancel takes a few milliseconds to arrive, so one in several hundred arrives when its request has just ended.
    static let verySlow = Duration.seconds(1)
}

extension OutstandingRequests {
    /// The largest number of requests to consider. No cancel is so late that it reaches a request after these.
    private static let mostConsidered = 1024

    /// - Parameter isInBlock: the last ReadyForQuery reported a transaction block that is open and has not failed.
    package func cancelTiming(isInBlock: Bool) -> CancelTiming {
        let requests = requests
        guard isStartingUp || !requests.isEmpty else { return .never }
        let running = isStartingUp ? .ordinary : requests.first?.kind ?? .ordinary
        if running.isControl { return .never }
        let followers = requests.dropFirst(isStartingUp ? 0 : 1).prefix(Self.mostConsidered)
        if followers.isEmpty { return .atOnce }
        if !isStartingUp, isInBlock, Self.errorTakesRestAlong(requests) {
            return requests.last?.kind == .commit ? .whenVerySlow : .atOnce
        }
        return followers.contains { $0.kind.isControl } ? .never : .whenSlow
    }

    /// Whether, in an open transaction block, none of the requests after the first has an effect once the first has
    /// failed. The last one may end the block, but no statement may follow that, not even in the same message.
    private static func errorTakesRestAlong(_ requests: ArraySlice<Segment>) -> Bool {
        requests.count <= mostConsidered && !requests.dropLast().contains { $0.kind.mayEndBlock }
            && requests.last?.kind != .several
    }
}
