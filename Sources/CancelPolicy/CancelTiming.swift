// Which of the requests that a client left may be cancelled, and when: so that what it sent takes effect as a beginning
// of it, as it does without pgleash, and never without its first part.

import PostgresProtocol

/// When the request that the server is at may be cancelled.
package enum CancelTiming: Hashable, Sendable {
    /// No request follows it, or its error makes all that follow it fail.
    case atOnce
    /// Others follow it that would run without it. It is cancelled when it has gone without an answer for a while, as
    /// those that take that long are the ones an application would cancel, too.
    case whenSlow
    /// A COMMIT follows within its transaction block. A cancel that arrives late would end the wait for a synchronous
    /// standby, so it has to be unlikely that the request ends just now.
    case whenVerySlow
    /// It is a statement that is never cancelled, or such a one follows, and a cancel that arrives late would meet it:
    /// what stands after that would run without it.
    case never

    /// How long the request has gone without an answer before a cancel is sent; nil for never.
    var delay: Duration? {
        switch self {
        case .atOnce: .zero
        case .whenSlow: Self.slow
        case .whenVerySlow: Self.verySlow
        case .never: nil
        }
    }

    /// Long for a short statement, short for a slow one. Measured on two cores with PostgreSQL 15, a client alone and
    /// beside 8 backends that compute: 1 SELECT in 100,000 takes longer in both; alone 2 UPDATEs by key in 100,000, as
    /// the disk must have them, and beside the 8, which make that slow, 3 in 100. With 20 ms it were 30 SELECTs.
    static let slow = Duration.milliseconds(40)
    /// A cancel takes a few milliseconds to arrive, so that one in some hundreds meets the end of its request.
    static let verySlow = Duration.seconds(1)
}

extension OutstandingRequests {
    /// How many requests are looked at, at most. No cancel arrives so late that it meets one after these.
    private static let mostConsidered = 1024

    /// - Parameter isInBlock: the last ReadyForQuery told of a transaction block that is open and has not failed.
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

    /// In an open transaction block: none of the requests after the first has an effect once that has failed. The last
    /// may end the block, but nothing may follow the end, not even in the same message.
    private static func errorTakesRestAlong(_ requests: ArraySlice<Segment>) -> Bool {
        requests.count <= mostConsidered && !requests.dropLast().contains { $0.kind.mayEndBlock }
            && requests.last?.kind != .several
    }
}
