// The effect of the server's replies on the record of outstanding requests: the requests that they complete, the
// requests that the server skips after an error, and the messages that become part of a copy from the client.

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

    /// Each extended message ends with exactly one of these replies. Within a Query they complete no request.
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

    /// The server continues at the first Sync, so this ReadyForQuery is the reply to that Sync, or to one that was sent
    /// within a copy and was assumed to be ignored until the copy failed before it.
    private mutating func finishSkipping() {
        skipping = false
        defer { (failedCopySync, ignoredSync) = (nil, nil) }
        if let skipped = failedCopySync { return endBatch(skipping: skipped) }
        let sync = segments[head...].firstIndex { $0.end == .sync }
        if let skipped = ignoredSync, hasRequests(between: skipped, and: sync) { return endBatch(skipping: skipped) }
        advance(by: min((sync ?? head) + 1, segments.count) - head)
    }

    /// Whether the messages after the ignored Sync and before the Sync in the record include any that the end of the
    /// copy does not explain. If the server had replied to the ignored Sync, they would run.
    private func hasRequests(between ignored: UInt32, and sync: Int?) -> Bool {
        guard let sync else { return true }
        return segments[head..<sync].contains { !$0.end.isCopyEnd }
            || segments[head...sync].reduce(UInt32(0)) { $0.addingClamped($1.unanswered) } > ignored
    }

    /// The batch at the head was ended by a Sync that is not in the record. The messages after that Sync are
    /// outstanding. If the server replied to a later Sync than the one counted here, the record errs towards busy.
    private mutating func endBatch(skipping count: UInt32) {
        guard head < segments.count else { return }
        segments[head].unanswered -= min(count, segments[head].unanswered)
        if segments[head].unanswered == 0, segments[head].end.isWithinBatch {
            advance(by: 1)
        } else {
            dropEndedCopies()
        }
    }

    /// Whether a ReadyForQuery can be the end of `segment`. A Sync that was sent while the server accepted copy data is
    /// assumed to be ignored. If the copy had failed before, the server replies to it with nothing but ReadyForQuery,
    /// which must not be mistaken for the reply to a Query after it.
    private func answersReady(_ segment: Segment) -> Bool {
        switch segment.end {
        case .sync: hasAnswered || segment.unanswered == 0
        case .query, .functionCall: hasAnswered
        case .open, .copyEnd, .copyEndInBatch: false
        }
    }

    /// The server accepts copy data from now on. It reads the messages that the client sent after the message that
    /// began the copy as part of the copy: it ignores a Sync up to the end of the copy, so the extended messages have
    /// one Sync fewer.
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
            // It has messages of the client now.
            segments[first].isProbe = false
            keepBatchOpen(from: first)
        } else {
            segments.append(Segment(unanswered: carried, end: .open))
        }
    }

    /// Further ends of copies after the one that ended this copy have no effect. As the Sync of the batch was ignored,
    /// they are within the batch, which is still open after them.
    private mutating func keepBatchOpen(from first: Int) {
        for index in first..<segments.count {
            guard segments[index].end == .copyEnd else { return }
            segments[index].end = .copyEndInBatch
        }
    }

    /// Extended messages cannot be part of a copy: the server aborts the copy at them, or it failed before. Those of
    /// the segment that the server processes precede the copy.
    private func standsWithinCopy(_ index: Int) -> Bool {
        index == head || segments[index].unanswered == 0
    }

    private mutating func advance(by count: Int) {
        head += count
        dropEndedCopies()
    }

    /// Skips ends of copies that never began, and frees the storage when the record is empty.
    mutating func dropEndedCopies() {
        while head < segments.count, segments[head].unanswered == 0 {
            if segments[head].end == .copyEndInBatch, head == segments.count - 1 { segments[head].end = .open }
            guard segments[head].end.isCopyEnd else { break }
            head += 1
        }
        if head == segments.count {
            // A session keeps its small storage; the storage of a long pipeline is freed.
            segments.removeAll(keepingCapacity: segments.capacity <= 16)
            head = 0
            isUncertain = false
        } else if head >= Self.fullCount {
            segments.removeFirst(head)
            head = 0
        }
    }
}
