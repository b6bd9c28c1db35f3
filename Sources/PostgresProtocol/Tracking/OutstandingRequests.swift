// The requests that the server has not answered, from which it follows whether a session is busy. The record is a pure
// value. Its input is the types of the messages that pass. PostgreSQL's chapter "Message Flow", and PostgresMain() and
// CopyGetData() in its source, define how the server reads them.

/// The replies that a server still owes, in the order of the requests. Only complete messages of the client are in the
/// record, as the server replies to no others.
///
/// The client's messages are divided into segments. Each ends with the message that the server answers with
/// ReadyForQuery. The extended-protocol messages before it are answered one by one and only counted:
///
/// ```
///      Parse Bind Execute Sync   Query   Parse Bind …
///     └────────────────────────┘└─────┘└─────────────
///       3 unanswered, .sync      .query  2 unanswered, .open
/// ```
///
/// Where the record cannot know the state, it errs towards busy: an unnecessary cancel finds an idle backend and does
/// nothing, a missing one leaves an orphan. This applies to an open batch of which nothing has run, and after a failed
/// copy of the extended protocol with a Sync between its data, or with a Sync before the data and none after them.
package struct OutstandingRequests: Hashable, Sendable {
    package struct Segment: Hashable, Sendable {
        var unanswered: UInt32 = 0
        var end: End
        /// Its Sync follows copy data.
        var isBehindData = false
        /// The kind of the statements that a batch binds, or of a Query; nil where a batch has bound nothing.
        var statement: StatementKind?
        /// The segment is a probe that pgleash sent after all messages of the client. It has no effect.
        var isProbe = false

        /// A batch that binds nothing is ordinary.
        package var kind: StatementKind { statement ?? .ordinary }

        /// Stops at the largest number instead of trapping, as a client can send any number of messages.
        mutating func add(_ count: UInt32) { unanswered = unanswered.addingClamped(count) }
    }

    enum End: UInt8, Sendable {
        /// The batch is not complete.
        case open
        case sync
        case query
        case functionCall
        /// CopyDone or CopyFail that was sent before the server requested a copy; it may turn out to have no effect.
        case copyEnd
        /// The same within a batch, which is still open after it.
        case copyEndInBatch

        var isCopyEnd: Bool { self == .copyEnd || self == .copyEndInBatch }
        var isWithinBatch: Bool { self == .open || self == .copyEndInBatch }
    }

    /// The number of segments from which on the client is not read for a while. Except when reading ahead, it limits
    /// the memory for one session to 8 bytes × (this + one receive).
    package static let fullCount = 8192

    var segments: [Segment] = []
    /// The index of the segment that the server processes; those before it are complete.
    var head = 0
    /// The startup is answered with a ReadyForQuery, too.
    var startup = true
    /// An extended message failed: the server skips all messages up to the next Sync, a Query too.
    var skipping = false
    /// The server accepts copy data and ignores Sync until the client ends the copy.
    package internal(set) var copying = false
    /// Copy data was sent after the last message that is not part of a copy.
    var hasSentData = false
    /// A Sync after copy data was assumed to be ignored. If the data made the copy fail, the server answers this Sync,
    /// and it ends the skipping after this number of messages: those of the batch that began the copy.
    var failedCopySync: UInt32?
    /// The number of messages before the first Sync of this batch that was assumed to be ignored. A copy can fail
    /// before any of it is read, in a trigger or at a cancel, and then that Sync is answered.
    var ignoredSync: UInt32?
    /// A ReadyForQuery may have been missed, because it depends on when a copy failed whether a Sync within it is
    /// answered. The record may err towards busy until all requests are answered.
    package internal(set) var isUncertain = false
    /// The server has replied something since the last ReadyForQuery. A ReadyForQuery alone is a reply to a Sync only.
    var hasAnswered = false

    package init() {}

    /// The server owes a ReadyForQuery, or a batch of extended messages is incomplete.
    package var isBusy: Bool { startup || head < segments.count }

    /// The first ReadyForQuery has not arrived.
    package var isStartingUp: Bool { startup }

    /// The client sent a request after the startup packet that has no reply.
    package var hasRequests: Bool { head < segments.count }

    /// After all requests the server will still wait for the client: for the rest of a batch or of a copy.
    package var awaitsClient: Bool {
        copying || head < segments.count && segments[segments.count - 1].end.isWithinBatch
    }

    /// An extended message failed and no Sync was sent after it: until one arrives, the server does nothing.
    package var isAwaitingSync: Bool {
        skipping && failedCopySync == nil && ignoredSync == nil && !segments[head...].contains { $0.end == .sync }
    }

    /// The number of outstanding requests, the startup among them.
    package var count: Int { segments.count - head + (startup ? 1 : 0) }

    /// The only outstanding request is an open batch.
    package var isAtOpenBatch: Bool { head == segments.count - 1 && segments[head].end.isWithinBatch }

    /// All messages of the batch at the end of the record are answered, so nothing of it runs.
    package var isBatchAnswered: Bool { isAtOpenBatch && segments[head].unanswered == 0 }

    /// The memory of the record; an array grows by doubling.
    package var byteCount: Int { (segments.count - head) * 2 * MemoryLayout<Segment>.stride }

    /// The outstanding requests of the client, beginning with the one that the server processes. Messages that pgleash
    /// sent in the client's place are not included.
    package var requests: ArraySlice<Segment> {
        var requests = segments[head...]
        while requests.last?.isProbe == true { requests.removeLast() }
        return requests
    }

    /// The client should not be read for a while, as the record has too many segments.
    package var isFull: Bool { segments.count - head >= Self.fullCount }

    /// The number and memory of outstanding requests.
    package struct Load: Sendable {
        package let isBusy: Bool
        /// As `OutstandingRequests.isFull`.
        package let isFull: Bool
        /// As `OutstandingRequests.byteCount`.
        package let byteCount: Int
    }

    /// All that is asked after each event, in one call. It is here, as other modules would copy a whole tracker for it.
    package var load: Load { Load(isBusy: isBusy, isFull: isFull, byteCount: byteCount) }
}

// MARK: - Client messages

extension OutstandingRequests {
    /// - Parameter statement: the kind of a Query's text, or of the statement of a Bind.
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
        // The server ignores the Sync if the copy has not failed when it reads it.
        let skipped = segments[segments.count - 1].unanswered
        if skipped > 0, ignoredSync == nil { ignoredSync = skipped }
        if hasSentData { failedCopySync = skipped }
    }

    private mutating func countExtended() {
        // The server aborts the copy at this message, or the copy has failed before.
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
            // A Query ends the batch before it. Both are one segment, as they are to the server.
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

    /// The record has the statement of a portal that was bound in the same batch. The portal can also be older.
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
            // Where all requests before it are answered, no copy can begin that it would end.
            dropEndedCopies()
        }
    }
}

// MARK: - Messages in the client's place

extension OutstandingRequests {
    /// The messages after which the server has nothing to wait for. They are recorded as sent.
    package mutating func conclude() -> [UInt8] {
        guard awaitsClient else { return [] }
        guard copying else { return probe() }
        clientSent(FrontendKind.copyFail)
        guard awaitsClient else { return LastMessages.copyFail }
        // The batch failed with its copy.
        clientSent(FrontendKind.sync)
        return LastMessages.copyFail + LastMessages.sync
    }

    /// The messages whose reply shows that all requests before them are answered. They are recorded as sent.
    package mutating func probe() -> [UInt8] {
        let isBatchOpen = head < segments.count && segments[segments.count - 1].end == .open
        clientSent(FrontendKind.execute)
        clientSent(FrontendKind.sync)
        segments[segments.count - 1].isProbe = !isBatchOpen
        return LastMessages.failingExecute + LastMessages.sync
    }

    /// The server has answered all requests, whatever the record contains.
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
