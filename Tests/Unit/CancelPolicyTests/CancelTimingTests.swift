// The timing of cancels, written as pipelines: each word is a request, with the server's status before it.

import Testing

@testable import CancelPolicy
@testable import PostgresProtocol

/// The state after Queries with these texts; `P COMMIT` and the like is a batch that parses, binds and executes it.
private func outstanding(_ texts: [String], status: Character = "I") -> SessionState {
    var state = SessionState(isReplication: false)
    state.tracker.serverAnswered(BackendKind.readyForQuery, [status.asciiValue ?? 0].span)
    for text in texts {
        guard text.hasPrefix("P ") else {
            state.tracker.clientSent(FrontendKind.query, Array("\(text)\0".utf8).span)
            continue
        }
        state.tracker.clientSent(FrontendKind.parse, Array("\0\(text.dropFirst(2))\0\0\0".utf8).span)
        state.tracker.clientSent(FrontendKind.bind, Array("\0\0\0\0\0\0\0\0".utf8).span)
        for kind in [FrontendKind.execute, FrontendKind.sync] { state.tracker.clientSent(kind) }
    }
    return state
}

@Suite struct `When a request may be cancelled` {
    @Test(
        arguments: [
            (["SELECT 1"], CancelTiming.atOnce), (["P SELECT 1"], .atOnce), (["BEGIN; SELECT 1"], .atOnce),
            (["COMMIT"], .never), (["P COMMIT"], .never), (["SET a = 1"], .never), (["DISCARD ALL"], .never),
            (["UPDATE", "UPDATE"], .whenSlow), (["P UPDATE", "P UPDATE"], .whenSlow),
            (["BEGIN", "UPDATE"], .never), (["P BEGIN", "P UPDATE"], .never),
            (["UPDATE", "BEGIN", "UPDATE"], .never), (["UPDATE", "UPDATE", "BEGIN", "UPDATE"], .never),
            (["UPDATE", "SET a = 1"], .never),
            (["UPDATE", "BEGIN; UPDATE; COMMIT"], .whenSlow),
        ] as [([String], CancelTiming)]
    )
    func `Outside of a transaction block`(texts: [String], timing: CancelTiming) {
        #expect(outstanding(texts).cancelTiming == timing)
        #expect(
            outstanding(texts, status: "E").cancelTiming == timing,
            "a block that has failed takes nothing along any more")
    }

    @Test(
        arguments: [
            (["UPDATE", "UPDATE"], CancelTiming.atOnce), (["UPDATE", "SAVEPOINT a", "UPDATE"], .atOnce),
            (["UPDATE", "ROLLBACK"], .atOnce), (["P UPDATE", "P UPDATE"], .atOnce),
            (["UPDATE", "COMMIT"], .whenVerySlow), (["UPDATE", "UPDATE", "END"], .whenVerySlow),
            (["P UPDATE", "P PREPARE TRANSACTION 'a'"], .whenVerySlow),
            (["UPDATE", "COMMIT", "UPDATE"], .never), (["UPDATE", "UPDATE", "COMMIT", "UPDATE"], .never),
            (["UPDATE", "ROLLBACK TO a", "UPDATE"], .never), (["UPDATE", "COMMIT; UPDATE"], .whenSlow),
            (["UPDATE", "UPDATE; COMMIT; UPDATE", "UPDATE"], .whenSlow),
            (["UPDATE; COMMIT; UPDATE", "UPDATE"], .whenSlow), (["COMMIT", "UPDATE"], .never),
        ] as [([String], CancelTiming)]
    )
    func `In an open transaction block an error takes along what stands in it`(texts: [String], timing: CancelTiming) {
        #expect(outstanding(texts, status: "T").cancelTiming == timing)
    }

    @Test func `A pipeline that is too long to be looked at is cancelled one by one`() {
        #expect(outstanding([String](repeating: "UPDATE", count: 1024), status: "T").cancelTiming == .atOnce)
        #expect(outstanding([String](repeating: "UPDATE", count: 1025), status: "T").cancelTiming == .whenSlow)
    }

    @Test func `While the backend starts up, what follows is not cancelled in place of it`() {
        for (text, timing) in [("BEGIN", CancelTiming.never), ("UPDATE", .whenSlow)] {
            var state = SessionState(isReplication: false)
            state.tracker.clientSent(FrontendKind.query, Array("\(text)\0".utf8).span)
            #expect(state.cancelTiming == timing)
        }
    }

    @Test func `A batch is what it binds; of two statements, none is left alone`() {
        var outstanding = OutstandingRequests()
        outstanding.serverAnswered(BackendKind.readyForQuery)
        outstanding.clientSent(FrontendKind.bind, .control)
        #expect(outstanding.cancelTiming(isInBlock: false) == .never)
        outstanding.clientSent(FrontendKind.bind, .ordinary)
        #expect(outstanding.cancelTiming(isInBlock: false) == .atOnce)
        var committing = outstanding
        committing.clientSent(FrontendKind.bind, .commit)
        #expect(committing.cancelTiming(isInBlock: false) == .never, "it may be the commit that runs")
        outstanding.clientSent(FrontendKind.sync)
        outstanding.clientSent(FrontendKind.execute)
        #expect(outstanding.cancelTiming(isInBlock: true) == .whenSlow, "it may have committed in between")
    }
}
