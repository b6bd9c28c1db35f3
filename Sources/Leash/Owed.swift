// What the server still owes the client: the record that decides whether a session is busy. A pure value, fed with
// the types of the messages that pass; how the server reads them is in PostgreSQL's chapter "Message Flow" and in
// PostgresMain() and CopyGetData() of its source.

import PostgresWire

/// The answers a server has yet to give, in the order they were asked for.
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
package struct Owed: Hashable, Sendable {
    private struct Segment: Hashable, Sendable {
        var unanswered: UInt32 = 0
        var end: End
        /// Its Sync stands behind copy data.
        var isBehindData = false

        /// Stays at the largest number rather than trap: a client may send without end.
        mutating func add(_ count: UInt32) { unanswered = unanswered.addingClamped(count) }
    }

    private enum End: UInt8, Sendable {
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

    /// From how many segments on the client had better not be read for a while; it bounds what one session can make
    /// us remember to 8 bytes × (this + one receive).
    package static let fullCount = 8192

    private var segments: [Segment] = []
    /// Index of the segment the server is at; those before it are done.
    private var head = 0
    /// The start-up is answered with a ReadyForQuery too.
    private var startup = true
    /// An extended message failed: the server skips everything, a Query too, up to the next Sync.
    private var skipping = false
    /// The server takes copy data and ignores Sync, until the client ends the copy.
    private var copying = false
    /// Copy data was sent behind the last message that is no part of a copy.
    private var hasSentData = false
    /// A Sync behind copy data was taken for ignored. Where the data made the copy fail it is answered after all, and
    /// ends the skipping of so many messages: those of the batch that began the copy.
    private var doubtfulSync: UInt32?
    /// So many messages stand before the first Sync of this batch that was taken for ignored. A copy can fail before it
    /// is read at all, in a trigger or at a cancel, and then that Sync is answered.
    private var ignoredSync: UInt32?
    /// Since the last ReadyForQuery the server answered something. A ReadyForQuery alone answers a Sync only.
    private var hasAnswered = false

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
    package var isHalted: Bool {
        skipping && doubtfulSync == nil && ignoredSync == nil && !segments[head...].contains { $0.end == .sync }
    }

    /// So much is owed that the client had better wait.
    package var isFull: Bool { segments.count - head >= Self.fullCount }
}

// MARK: - What the client sent

extension Owed {
    package mutating func clientSent(_ kind: UInt8) {
        switch kind {
        case FrontendKind.query: close(.query)
        case FrontendKind.functionCall: close(.functionCall)
        case FrontendKind.sync: clientSynced()
        case FrontendKind.copyData: hasSentData = true
        case FrontendKind.copyDone, FrontendKind.copyFail: clientEndedCopy()
        case FrontendKind.bind, FrontendKind.close, FrontendKind.describe, FrontendKind.execute, FrontendKind.parse:
            countExtended()
        default: break
        }
    }

    private mutating func clientSynced() {
        guard copying else { return close(.sync) }
        guard head < segments.count else { return }
        // Ignored, if the copy is still alive when the server comes to it.
        let skipped = segments[segments.count - 1].unanswered
        if skipped > 0, ignoredSync == nil { ignoredSync = skipped }
        if hasSentData { doubtfulSync = skipped }
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

    private mutating func close(_ end: End) {
        copying = false
        if head < segments.count, segments[segments.count - 1].end == .open {
            segments[segments.count - 1].end = end
        } else {
            segments.append(Segment(end: end))
        }
        segments[segments.count - 1].isBehindData = hasSentData
        if end != .sync { hasSentData = false }
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

// MARK: - What the server answered

extension Owed {
    package mutating func serverAnswered(_ kind: UInt8) {
        switch kind {
        case BackendKind.readyForQuery: serverBecameReady()
        case BackendKind.errorResponse: serverFailed()
        case BackendKind.copyInResponse: serverBeganCopy()
        case BackendKind.functionCallResponse: hasAnswered = true
        case BackendKind.parseComplete, BackendKind.bindComplete, BackendKind.closeComplete, BackendKind.noData,
            BackendKind.rowDescription, BackendKind.commandComplete, BackendKind.emptyQueryResponse,
            BackendKind.portalSuspended:
            serverCompleted()
        default: break
        }
    }

    /// Each extended message ends with exactly one of these; within a Query they say nothing about what is owed.
    private mutating func serverCompleted() {
        hasAnswered = true
        guard !startup, head < segments.count, segments[head].unanswered > 0 else { return }
        segments[head].unanswered -= 1
        doubtfulSync = nil
        ignoredSync = nil
        dropEndedCopies()
    }

    private mutating func serverFailed() {
        hasAnswered = true
        copying = false
        guard !startup, head < segments.count, segments[head].unanswered > 0 else { return }
        skipping = true
    }

    private mutating func serverBecameReady() {
        defer {
            hasAnswered = false
            copying = false
        }
        if startup {
            startup = false
            dropEndedCopies()
        } else if skipping {
            finishSkipping()
        } else if head < segments.count, answersReady(segments[head]) {
            advance(by: 1)
        }
    }

    /// The server reads on at the first Sync, so this ReadyForQuery is that Sync's; or that of one sent within a copy,
    /// which was thought ignored until the copy failed before it.
    private mutating func finishSkipping() {
        skipping = false
        defer { (doubtfulSync, ignoredSync) = (nil, nil) }
        if let skipped = doubtfulSync { return endBatch(skipping: skipped) }
        let sync = segments[head...].firstIndex { $0.end == .sync }
        if let skipped = ignoredSync, hasRequests(between: skipped, and: sync) { return endBatch(skipping: skipped) }
        advance(by: min((sync ?? head) + 1, segments.count) - head)
    }

    /// Behind an ignored Sync, and before the Sync in the record, something was sent that the end of the copy doesn't
    /// explain; were the ignored one answered, it would run.
    private func hasRequests(between ignored: UInt32, and sync: Int?) -> Bool {
        guard let sync else { return true }
        return segments[head..<sync].contains { !$0.end.isCopyEnd }
            || segments[head...sync].reduce(UInt32(0)) { $0.addingClamped($1.unanswered) } > ignored
    }

    /// The batch at the head was ended by a Sync that is not in the record; what was sent behind that Sync is owed yet.
    /// If an earlier Sync than the one that was meant has been counted here, this leans to busy.
    private mutating func endBatch(skipping count: UInt32) {
        guard head < segments.count else { return }
        segments[head].unanswered -= min(count, segments[head].unanswered)
        if segments[head].unanswered == 0, segments[head].end.isWithinBatch {
            advance(by: 1)
        } else {
            dropEndedCopies()
        }
    }

    /// Whether a ReadyForQuery can be the end of `segment`. A Sync sent while the server took copy data is thought
    /// ignored; if the copy had failed before, the server answers it after all, with nothing but ReadyForQuery. That
    /// one must not be taken for the answer to a Query behind it.
    private func answersReady(_ segment: Segment) -> Bool {
        switch segment.end {
        case .sync: hasAnswered || segment.unanswered == 0
        case .query, .functionCall: hasAnswered
        case .open, .copyEnd, .copyEndInBatch: false
        }
    }

    /// The server takes copy data from here on. What the client sent behind the message that began the copy is read as
    /// part of it: a Sync up to the end of the copy is ignored, and extended messages have one Sync less.
    private mutating func serverBeganCopy() {
        hasAnswered = true
        guard !startup, head < segments.count else { return }
        let first = segments[head].unanswered > 0 ? head : head + 1
        var next = first
        while next < segments.count, segments[next].end == .sync, standsWithinCopy(next) { next += 1 }
        copying = next == segments.count || segments[next].end == .open && standsWithinCopy(next)
        if next < segments.count, segments[next].end.isCopyEnd, standsWithinCopy(next) { next += 1 }
        let carried = segments[first..<next].reduce(UInt32(0)) { $0.addingClamped($1.unanswered) }
        if carried > 0, let ignored = segments[first..<next].first(where: { $0.end == .sync }) {
            ignoredSync = ignored.unanswered
            if segments[first..<next].contains(where: { $0.isBehindData && $0.end == .sync }) { doubtfulSync = carried }
        }
        segments.removeSubrange(first..<next)
        guard carried > 0 else { return }
        if first < segments.count {
            segments[first].add(carried)
            keepBatchOpen(from: first)
        } else {
            segments.append(Segment(unanswered: carried, end: .open))
        }
    }

    /// Ends of copies behind the one that ended this copy end nothing; as the batch's Sync was ignored, they stand
    /// within the batch, which is still open behind them.
    private mutating func keepBatchOpen(from first: Int) {
        for index in first..<segments.count {
            guard segments[index].end == .copyEnd else { return }
            segments[index].end = .copyEndInBatch
        }
    }

    /// Extended messages can't: the server breaks off at them, or the copy has failed before it came to them. Those of
    /// the segment the server is at are before the copy.
    private func standsWithinCopy(_ index: Int) -> Bool {
        index == head || segments[index].unanswered == 0
    }

    private mutating func advance(by count: Int) {
        head += count
        dropEndedCopies()
    }

    /// Passes over ends of copies that never began, and lets go of the storage when nothing is left.
    private mutating func dropEndedCopies() {
        while head < segments.count, segments[head].unanswered == 0 {
            if segments[head].end == .copyEndInBatch, head == segments.count - 1 { segments[head].end = .open }
            guard segments[head].end.isCopyEnd else { break }
            head += 1
        }
        if head == segments.count {
            // An ordinary session keeps the little it has; what a long pipeline took is given back.
            segments.removeAll(keepingCapacity: segments.capacity <= 16)
            head = 0
        } else if head >= Self.fullCount {
            segments.removeFirst(head)
            head = 0
        }
    }
}

extension UInt32 {
    fileprivate func addingClamped(_ other: UInt32) -> UInt32 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
