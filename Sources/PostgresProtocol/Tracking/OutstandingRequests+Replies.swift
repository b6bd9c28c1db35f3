// What the server's answers do to the record of what is owed: which of them settles what, what an error makes the
// server skip, and what a copy from the client swallows.

extension OutstandingRequests {
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
        failedCopySync = nil
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
        } else if head < segments.count {
            if answersReady(segments[head]) { advance(by: 1) } else { isUncertain = true }
        }
    }

    /// The server reads on at the first Sync, so this ReadyForQuery is that Sync's; or that of one sent within a copy,
    /// which was thought ignored until the copy failed before it.
    private mutating func finishSkipping() {
        skipping = false
        defer { (failedCopySync, ignoredSync) = (nil, nil) }
        if let skipped = failedCopySync { return endBatch(skipping: skipped) }
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
        if first < next { isUncertain = true }
        if next < segments.count, segments[next].end.isCopyEnd, standsWithinCopy(next) { next += 1 }
        let carried = segments[first..<next].reduce(UInt32(0)) { $0.addingClamped($1.unanswered) }
        if carried > 0, let ignored = segments[first..<next].first(where: { $0.end == .sync }) {
            ignoredSync = ignored.unanswered
            if segments[first..<next].contains(where: { $0.isBehindData && $0.end == .sync }) {
                failedCopySync = carried
            }
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
    mutating func dropEndedCopies() {
        while head < segments.count, segments[head].unanswered == 0 {
            if segments[head].end == .copyEndInBatch, head == segments.count - 1 { segments[head].end = .open }
            guard segments[head].end.isCopyEnd else { break }
            head += 1
        }
        if head == segments.count {
            // An ordinary session keeps the little it has; what a long pipeline took is given back.
            segments.removeAll(keepingCapacity: segments.capacity <= 16)
            head = 0
            isUncertain = false
        } else if head >= Self.fullCount {
            segments.removeFirst(head)
            head = 0
        }
    }
}
