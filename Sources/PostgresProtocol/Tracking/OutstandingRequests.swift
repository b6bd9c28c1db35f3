// What the server still owes the client: the record that decides whether a session is busy. A pure value, fed with
// the types of the messages that pass; how the server reads them is in PostgreSQL's chapter "Message Flow" and in
// PostgresMain() and CopyGetData() of its source.

/// The answers a server has yet to give, in the order they were asked for. Only whole messages of the client's are in
/// it: the server answers no other.
///
/// The client's messages are cut into segments. Each ends with the message the server answers with ReadyForQuery; the
/// extended-protocol messages before it are answered one by one and only counted:
///
/// ```
///      Parse Bind Execute Sync   Query   Parse Bind …
///     └────────────────────────┘└─────┘└─────────────
///       3 unanswered, .sync      .query  2 unanswered, .open
/// ```
///
/// Where the record can't know, it leans towards busy: a cancel too many finds an idle backend and does nothing, one
/// too few leaves an orphan. That is so for an open batch of which nothing has run, and behind a copy of the extended
/// protocol that failed with a Sync between its data, or with a Sync before them and none behind.
package struct OutstandingRequests: Hashable, Sendable {
    package struct Segment: Hashable, Sendable {
        var unanswered: UInt32 = 0
        var end: End
        /// Its Sync stands behind copy data.
        var isBehindData = false
        /// What a batch binds, or a Query says; nil where a batch has bound nothing.
        var statement: StatementKind?
        /// It is a probe of pgleash's, after all the client has sent. It has no effect.
        var isProbe = false

        /// A batch that binds nothing does nothing that matters.
        package var kind: StatementKind { statement ?? .ordinary }

        /// Stays at the largest number rather than trap: a client may send without end.
        mutating func add(_ count: UInt32) { unanswered = unanswered.addingClamped(count) }
    }

    enum End: UInt8, Sendable {
        /// More of the batch is to come.
        case open
        case sync
        case query
        case functionCall
        /// CopyDone or CopyFail sent before the server said it wants a copy; it may turn out to mean nothing.
        case copyEnd
        /// The same within a batch, which is still open behind it.
        case copyEndInBatch

        var isCopyEnd: Bool { self == .copyEnd || self == .copyEndInBatch }
        var isWithinBatch: Bool { self == .open || self == .copyEndInBatch }
    }

    /// From how many segments on the client had better not be read for a while; but for reading ahead, it bounds what
    /// one session can make us remember to 8 bytes × (this + one receive).
    package static let fullCount = 8192

    var segments: [Segment] = []
    /// Index of the segment the server is at; those before it are done.
    var head = 0
    /// The start-up is answered with a ReadyForQuery too.
    var startup = true
    /// An extended message failed: the server skips everything, a Query too, up to the next Sync.
    var skipping = false
    /// The server takes copy data and ignores Sync, until the client ends the copy.
    package internal(set) var copying = false
    /// Copy data was sent behind the last message that is no part of a copy.
    var hasSentData = false
    /// A Sync behind copy data was taken for ignored. Where the data made the copy fail it is answered after all, and
    /// ends the skipping of so many messages: those of the batch that began the copy.
    var failedCopySync: UInt32?
    /// So many messages stand before the first Sync of this batch that was taken for ignored. A copy can fail before it
    /// is read at all, in a trigger or at a cancel, and then that Sync is answered.
    var ignoredSync: UInt32?
    /// A ReadyForQuery may have been missed, as it depends on when a copy failed whether a Sync within it is answered.
    /// The record may lean to busy then, until all is answered.
    package internal(set) var isUncertain = false
    /// Since the last ReadyForQuery the server answered something. A ReadyForQuery alone answers a Sync only.
    var hasAnswered = false

    package init() {}

    /// The server owes a ReadyForQuery, or a batch of extended messages is open.
    package var isBusy: Bool { startup || head < segments.count }

    /// The first ReadyForQuery has not come yet.
    package var isStartingUp: Bool { startup }

    /// Something was sent behind the start-up packet that is to be answered.
    package var hasRequests: Bool { head < segments.count }

    /// When the server has dealt with all that was sent, it will still wait: for the rest of a batch or of a copy.
    package var awaitsClient: Bool {
        copying || head < segments.count && segments[segments.count - 1].end.isWithinBatch
    }

    /// An extended message failed and no Sync was sent behind it: until one comes, the server does nothing.
    package var isAwaitingSync: Bool {
        skipping && failedCopySync == nil && ignoredSync == nil && !segments[head...].contains { $0.end == .sync }
    }

    /// Requests that are not answered, the start-up among them.
    package var count: Int { segments.count - head + (startup ? 1 : 0) }

    /// All that is owed is a batch without its end.
    package var isAtOpenBatch: Bool { head == segments.count - 1 && segments[head].end.isWithinBatch }

    /// Nothing of the batch at the end of the record is unanswered, so nothing of it runs.
    package var isBatchAnswered: Bool { isAtOpenBatch && segments[head].unanswered == 0 }

    /// What the record takes; an array grows by doubling.
    package var byteCount: Int { (segments.count - head) * 2 * MemoryLayout<Segment>.stride }

    /// The requests of the client's that are not answered, the one that the server is at first. What is said in the
    /// client's place is not among them.
    package var requests: ArraySlice<Segment> {
        var requests = segments[head...]
        while requests.last?.isProbe == true { requests.removeLast() }
        return requests
    }

    /// So much is owed that the client had better wait.
    package var isFull: Bool { segments.count - head >= Self.fullCount }
}

// MARK: - What the client sent

extension OutstandingRequests {
    /// - Parameter statement: the kind of a Query's text, or of the statement that a Bind takes.
    package mutating func clientSent(_ kind: UInt8, _ statement: StatementKind = .ordinary) {
        switch kind {
        case FrontendKind.query: close(.query, statement)
        case FrontendKind.functionCall: close(.functionCall)
        case FrontendKind.sync: clientSynced()
        case FrontendKind.copyData: hasSentData = true
        case FrontendKind.copyDone, FrontendKind.copyFail: clientEndedCopy()
        case FrontendKind.bind:
            countExtended()
            join(statement)
        case FrontendKind.execute:
            countExtended()
            joinExecuted(statement)
        case FrontendKind.close, FrontendKind.describe, FrontendKind.parse: countExtended()
        default: break
        }
    }

    private mutating func clientSynced() {
        guard copying else { return close(.sync) }
        guard head < segments.count else { return }
        isUncertain = true
        // Ignored, if the copy is still alive when the server comes to it.
        let skipped = segments[segments.count - 1].unanswered
        if skipped > 0, ignoredSync == nil { ignoredSync = skipped }
        if hasSentData { failedCopySync = skipped }
    }

    private mutating func countExtended() {
        // The server breaks off at it, or the copy has failed already.
        copying = false
        hasSentData = false
        if head < segments.count, segments[segments.count - 1].end == .open {
            segments[segments.count - 1].add(1)
        } else {
            segments.append(Segment(unanswered: 1, end: .open))
        }
    }

    private mutating func close(_ end: End, _ statement: StatementKind? = nil) {
        copying = false
        if head < segments.count, segments[segments.count - 1].end == .open {
            segments[segments.count - 1].end = end
            segments[segments.count - 1].isBehindData = hasSentData
            // A Query ends the batch before it in one segment with it, as it does to the server.
            if let statement { join(statement) }
        } else {
            segments.append(Segment(end: end, isBehindData: hasSentData, statement: statement))
        }
        if end != .sync { hasSentData = false }
    }

    private mutating func join(_ statement: StatementKind) {
        let last = segments.count - 1
        segments[last].statement = segments[last].statement?.joined(with: statement) ?? statement
    }

    /// What a portal runs is in the record where it was bound in the same batch. It may have been bound before.
    private mutating func joinExecuted(_ statement: StatementKind) {
        guard statement != .ordinary else { return }
        if statement == .commit || segments[segments.count - 1].statement == nil { join(statement) }
    }

    private mutating func clientEndedCopy() {
        hasSentData = false
        if copying {
            copying = false
        } else if head < segments.count {
            close(segments[segments.count - 1].end.isWithinBatch ? .copyEndInBatch : .copyEnd)
            // Where all before it is answered, no copy can begin that it would end.
            dropEndedCopies()
        }
    }
}

// MARK: - What is said in the client's place

extension OutstandingRequests {
    /// The messages after which the server has nothing to wait for, as far as it would. They are noted as sent.
    package mutating func conclude() -> [UInt8] {
        guard awaitsClient else { return [] }
        guard copying else { return probe() }
        clientSent(FrontendKind.copyFail)
        guard awaitsClient else { return LastMessages.copyFail }
        // The batch has failed with its copy.
        clientSent(FrontendKind.sync)
        return LastMessages.copyFail + LastMessages.sync
    }

    /// The messages whose answer shows that all before them is answered. They are noted as sent.
    package mutating func probe() -> [UInt8] {
        let isBatchOpen = head < segments.count && segments[segments.count - 1].end == .open
        clientSent(FrontendKind.execute)
        clientSent(FrontendKind.sync)
        segments[segments.count - 1].isProbe = !isBatchOpen
        return LastMessages.failingExecute + LastMessages.sync
    }

    /// The server has answered all there was, whatever the record says.
    package mutating func settle() {
        self = OutstandingRequests()
        startup = false
    }
}

extension UInt32 {
    func addingClamped(_ other: UInt32) -> UInt32 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
