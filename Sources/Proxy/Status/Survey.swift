// A question to several others, such as all workers, that requests share. It lets no requester wait for one that does
// not answer, and asks nobody a second time who owes an answer.

import Reactor

/// Questions that are asked together, on one loop.
final class Survey<Answer: Sendable, Summary> {
    private let loop: any EventLoop
    private let timeout: Duration
    private let freshness: Duration
    private let ask: (Int) -> Void
    private let summarize: ([Answer], Int) -> Summary
    /// Whether an answer is outstanding, possibly one to an earlier question.
    private var isOwed: [Bool]
    private var answers: [Int: Answer] = [:]
    private var requesters: [(Summary) -> Void] = []
    private var timer: (any ScheduledTimer)?
    private var latest: (summary: Summary, time: MonotonicTime)?

    /// - Parameters:
    ///   - count: the number of those that are asked, at least 1.
    ///   - timeout: the longest time that a requester waits.
    ///   - freshness: the time for which a summary is given to further requesters.
    ///   - ask: asks the one with this number; `receive` must follow, at any time.
    ///   - summarize: receives the answers, and the number of those that are missing.
    init(
        of count: Int, on loop: any EventLoop, within timeout: Duration, freshFor freshness: Duration,
        ask: @escaping (Int) -> Void, summarize: @escaping ([Answer], Int) -> Summary
    ) {
        (self.loop, self.timeout, self.freshness) = (loop, timeout, freshness)
        (self.ask, self.summarize) = (ask, summarize)
        isOwed = Array(repeating: false, count: count)
    }

    /// Calls `completion` with a summary, at once where there is a fresh one.
    func request(_ completion: @escaping (Summary) -> Void) {
        if let latest, loop.now.since(latest.time) < freshness { return completion(latest.summary) }
        requesters.append(completion)
        guard requesters.count == 1 else { return }
        timer = loop.schedule(after: timeout) { [unowned self] in conclude() }
        for number in isOwed.indices where !isOwed[number] {
            isOwed[number] = true
            ask(number)
        }
    }

    /// An answer has come. A late one, to an earlier question, is as good.
    func receive(_ answer: Answer, from number: Int) {
        isOwed[number] = false
        guard !requesters.isEmpty else { return }
        answers[number] = answer
        if answers.count == isOwed.count { conclude() }
    }

    private func conclude() {
        timer?.cancel()
        timer = nil
        let inOrder = answers.sorted { $0.key < $1.key }.map(\.value)
        let summary = summarize(inOrder, isOwed.count - inOrder.count)
        latest = (summary, loop.now)
        let requesters = requesters
        (self.requesters, answers) = ([], [:])
        for completion in requesters { completion(summary) }
    }
}
