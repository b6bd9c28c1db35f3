// The decisions of SessionState, written as transcripts: which drops lead to a cancel.

import Reactor
import Testing

@testable import CancelPolicy
@testable import PostgresProtocol

private let now = Duration.zero

/// A session after these steps.
func session(_ steps: Step..., isReplication: Bool = false) -> SessionState {
    var state = SessionState(isReplication: isReplication)
    for step in steps {
        for (kind, body) in step.answers { state.tracker.serverAnswered(kind, body.span) }
        for kind in step.requests { state.tracker.clientSent(kind) }
    }
    return state
}

struct Step {
    var requests: [UInt8] = []
    var answers: [(UInt8, [UInt8])] = []

    static let authenticated = Step(answers: [(BackendKind.authentication, [0, 0, 0, 0])])
    static let askedForPassword = Step(answers: [(BackendKind.authentication, [0, 0, 0, 3])])
    static let key = Step(answers: [(BackendKind.backendKeyData, [0, 0, 1, 0, 9, 9, 9, 9])])
    static let ready = Step(answers: [(BackendKind.readyForQuery, [UInt8(ascii: "I")])])
    static let readyInTransaction = Step(answers: [(BackendKind.readyForQuery, [UInt8(ascii: "T")])])
    static let completed = Step(answers: [(BackendKind.commandComplete, [])])
    static let fatal = Step(
        answers: [(BackendKind.errorResponse, Array("SFATAL\0VFATAL\0C57P01\0Mterminating\0\0".utf8))]
    )
    static let query = Step(requests: [FrontendKind.query])
    /// The server expects the data of a copy in text format.
    static let copy = Step(answers: [(BackendKind.copyInResponse, [0])])
    static let terminate = Step(requests: [FrontendKind.terminate])
}

private func drop(_ state: SessionState, _ kind: DropKind = .fin) -> SessionState.Action {
    var state = state
    return state.clientDropped(kind, timeout: .seconds(30))
}

@Suite struct `What a drop leads to` {
    @Test(arguments: DropKind.allCases)
    func `A busy session is reaped, whichever way the client went`(kind: DropKind) {
        #expect(drop(session(.authenticated, .key, .ready, .query), kind) == .reap(.cancel))
    }

    @Test(
        arguments: zip(
            [DropKind.fin, .reset, .timeout, .shutdown, .protocolError],
            [EndReason.clientClosed, .clientReset, .clientTimedOut, .shutdown, .protocolError]
        )
    )
    func `An idle session ends, and how says the reason`(kind: DropKind, reason: EndReason) {
        #expect(drop(session(.authenticated, .key, .ready), kind) == .end(reason))
    }

    @Test func `Idle in transaction ends too: closing is enough, the server rolls back`() {
        let state = session(.authenticated, .key, .ready, .query, .completed, .readyInTransaction)
        #expect(state.tracker.isInTransaction)
        #expect(drop(state) == .end(.clientClosed))
    }

    @Test(arguments: [DropKind.fin, .reset])
    func `Terminate, then the end of the stream: an idle session ends, a busy one is reaped`(kind: DropKind) {
        #expect(drop(session(.authenticated, .key, .ready, .terminate), kind) == .end(.clientTerminated))
        var busy = session(.authenticated, .key, .ready, .query, .terminate)
        #expect(busy.clientDropped(kind, timeout: .seconds(1)) == .reap(.cancel))
        #expect(busy.dropKind == .terminate)
    }

    @Test func `Nothing is cancelled before the client is authenticated`() {
        #expect(drop(session()) == .end(.clientClosed))
        #expect(drop(session(.askedForPassword)) == .end(.clientClosed))
    }

    @Test func `Requests sent with the startup packet are reaped once the key has arrived, which needs a login`() {
        var state = session(.query)
        let deadline = now + .seconds(30)
        #expect(state.clientDropped(.fin, timeout: .seconds(30)) == .reap(.wake(at: deadline)))
        #expect(state.nextEnding(at: now) == .nothing, "a pooler would forget the session")
        state.tracker.serverAnswered(BackendKind.errorResponse, Span())
        #expect(state.serverAnsweredWhileReaping(at: now) == .none)
        let key: [UInt8] = [0, 0, 1, 0, 9, 9, 9, 9]
        state.tracker.serverAnswered(BackendKind.backendKeyData, key.span)
        #expect(state.serverAnsweredWhileReaping(at: now) == .wake(at: now + .milliseconds(40)))
        state.tracker.serverAnswered(BackendKind.readyForQuery, Span())
        #expect(state.serverAnsweredWhileReaping(at: now) == .cancel)
    }

    @Test(arguments: [true, false])
    func `A server that asks for a password sees the end of the stream`(isAskedBefore: Bool) {
        var state = session(.query)
        let asks = { state.tracker.serverAnswered(BackendKind.authentication, ([0, 0, 0, 3] as [UInt8]).span) }
        if isAskedBefore { asks() }
        _ = state.clientDropped(.fin, timeout: .seconds(30))
        if !isAskedBefore {
            #expect(state.nextEnding(at: now) == .nothing)
            asks()
        }
        #expect(state.nextEnding(at: now) == .endStream)
        #expect(state.nextEnding(at: now) == .nothing, "once is enough")
    }

    @Test func `The same at a server that gives no key`() {
        var state = session(.query)
        _ = state.clientDropped(.fin, timeout: .seconds(30))
        state.tracker.serverAnswered(BackendKind.readyForQuery, Span())
        #expect(state.serverAnsweredWhileReaping(at: now) == .end(.noKey))
    }

    @Test func `Between authentication and the first ReadyForQuery there is a key or nothing to do`() {
        #expect(drop(session(.authenticated)) == .end(.clientClosed))
        let slow = now + .milliseconds(40)
        #expect(drop(session(.authenticated, .key, .query)) == .reap(.wake(at: slow)), "not while it still starts up")
    }

    @Test func `A server that gives no key leaves nothing to cancel with`() {
        #expect(drop(session(.authenticated, .ready, .query)) == .reap(.end(.noKey)))
    }

    @Test(arguments: [
        BackendKind.copyBothResponse, BackendKind.copyOutResponse,
    ])
    func `What a walsender runs is cancelled, but not what it streams`(response: UInt8) {
        let streams = Step(answers: [(response, [])])
        #expect(drop(session(.authenticated, .key, .ready, .query, isReplication: true)) == .reap(.cancel))
        let state = session(.authenticated, .key, .ready, .query, streams, isReplication: true)
        #expect(drop(state) == .end(.clientClosed) && !state.canBeReaped)
        let over = session(.authenticated, .key, .ready, .query, streams, .completed, isReplication: true)
        #expect(drop(over) == .reap(.cancel), "another statement of the message runs")
        let followed = session(.authenticated, .key, .ready, .query, streams, .query, isReplication: true)
        #expect(drop(followed) == .reap(.wake(at: now + CancelTiming.slow)))
        #expect(drop(session(.authenticated, .key, .ready, .query, streams)) == .reap(.cancel), "COPY TO is no stream")
    }

    @Test func `A session that is left out ends with its client, and is counted when it was busy`() {
        var busy = SessionState(isReplication: false, exclusion: .whole)
        for (kind, body) in Step.key.answers + Step.ready.answers { busy.tracker.serverAnswered(kind, body.span) }
        #expect(drop(busy) == .end(.clientClosed))
        busy.tracker.clientSent(FrontendKind.query)
        #expect(drop(busy) == .reap(.end(.excluded)))
    }

    @Test func `What waits for its client is ended by messages at the drop, and the rest of a stream needs none`() {
        let execute = LastMessages.failingExecute + LastMessages.sync
        let copy = Step(answers: [(BackendKind.copyInResponse, [])])
        let open = Step(requests: [FrontendKind.parse, FrontendKind.execute])
        let cases: [(SessionState, SessionState.Ending)] = [
            (session(.authenticated, .key, .ready, .query), .nothing),
            (session(.authenticated, .key, .ready, open), .send(execute)),
            (session(.authenticated, .key, .ready, .query, open), .send(execute)),
            (session(.authenticated, .key, .ready, .query, copy), .send(LastMessages.copyFail)),
            (session(.authenticated, .key, .ready, open, copy), .send(LastMessages.copyFail + LastMessages.sync)),
        ]
        for (session, ending) in cases {
            var state = session
            _ = state.clientDropped(.fin, timeout: .seconds(30))
            #expect(state.nextEnding(at: now) == ending)
            #expect(!state.tracker.outstanding.awaitsClient)
            #expect(state.nextEnding(at: now) == .nothing, "once is enough")
        }
    }

    @Test func `A server that only waits for its client gets a message, and is not cancelled at once`() {
        let copy = Step(answers: [(BackendKind.copyInResponse, [])])
        let rest = now + .milliseconds(50)
        #expect(drop(session(.authenticated, .key, .ready, .query, copy)) == .reap(.wake(at: rest)))
        let answered = Step(answers: [(BackendKind.parseComplete, [])])
        let open = Step(requests: [FrontendKind.parse])
        #expect(drop(session(.authenticated, .key, .ready, open, answered)) == .reap(.wake(at: rest)))
        #expect(drop(session(.authenticated, .key, .ready, open)) == .reap(.cancel))
    }

    @Test func `A copy that begins after the drop is ended then`() {
        var state = session(.authenticated, .key, .ready, .query)
        _ = state.clientDropped(.fin, timeout: .seconds(30))
        #expect(state.nextEnding(at: now) == .nothing)
        state.tracker.serverAnswered(BackendKind.copyInResponse, Span())
        #expect(state.nextEnding(at: now) == .send(LastMessages.copyFail))
    }

    @Test func `The answer to a probe settles what the record could not tell`() {
        // A ReadyForQuery alone is no reply to a Query.
        var state = session(.authenticated, .key, .ready, .query, .ready)
        _ = state.clientDropped(.fin, timeout: .seconds(30))
        #expect(state.probe(at: now) == .send(LastMessages.failingExecute + LastMessages.sync))
        #expect(state.cancelTiming == .atOnce, "a probe is no request that could miss another")
        let error = Array("SERROR\0C34000\0Mportal \"\(LastMessages.portal)\" does not exist\0\0".utf8)
        state.tracker.serverAnswered(BackendKind.errorResponse, error.span)
        state.tracker.serverAnswered(BackendKind.readyForQuery, Span())
        #expect(state.tracker.isAtRest)
        #expect(state.serverAnsweredWhileReaping(at: now) == .withdrawCancel)
    }

    @Test func `Where no message can follow, the end of the stream takes the place of a probe`() {
        var state = session(.authenticated, .key, .ready, Step(requests: [FrontendKind.parse, FrontendKind.execute]))
        _ = state.clientDropped(.fin, cut: .unknown, timeout: .seconds(30))
        #expect(state.probe(at: now) == .endStream)
        #expect(state.probe(at: now) == .nothing)

        var running = session(.authenticated, .key, .ready, .query)
        _ = running.clientDropped(.fin, cut: .unknown, timeout: .seconds(30))
        #expect(running.probe(at: now) == .nothing, "a pooler would forget what runs")
        running.tracker.serverAnswered(BackendKind.readyForQuery, Span())
        #expect(running.probe(at: now) == .endStream, "it may have been answered all the same")
    }

    @Test func `A warning after a cancel is kept for the log, one before it is not`() {
        let notice = Array("SWARNING\0C01000\0Mcanceling wait\0\0".utf8)
        var state = session(.authenticated, .key, .ready, .query)
        state.tracker.serverAnswered(BackendKind.noticeResponse, notice.span)
        #expect(state.takeWarning() == nil)
        _ = state.clientDropped(.fin, timeout: .seconds(30))
        state.tracker.serverAnswered(BackendKind.noticeResponse, notice.span)
        #expect(state.serverAnsweredWhileReaping(at: now) == .none)
        #expect(state.takeWarning()?.text == "canceling wait")
        #expect(state.takeWarning() == nil)
    }

    @Test func `A batch that failed and has no Sync runs nothing: its client may go, and a cancel needs no other`() {
        var state = session(.authenticated, .key, .ready, Step(requests: [FrontendKind.parse]))
        var left = state
        state.tracker.serverAnswered(BackendKind.errorResponse, Span())
        #expect(state.tracker.isBusy && drop(state) == .end(.clientClosed))
        _ = left.clientDropped(.fin, timeout: .seconds(30))
        left.tracker.serverAnswered(BackendKind.errorResponse, Span())
        #expect(left.serverAnsweredWhileReaping(at: now) == .withdrawCancel)
        state.tracker.clientSent(FrontendKind.sync)
        #expect(drop(state) == .reap(.cancel), "now there is something to be answered")
    }

    @Test func `While reaping, bytes without a ReadyForQuery change nothing`() {
        var state = session(.authenticated, .key, .ready, .query)
        _ = state.clientDropped(.fin, timeout: .seconds(30))
        state.tracker.serverAnswered(BackendKind.rowDescription, Span())
        #expect(state.serverAnsweredWhileReaping(at: now) == .none)
        state.tracker.serverAnswered(BackendKind.readyForQuery, Span())
        #expect(state.serverAnsweredWhileReaping(at: now) == .withdrawCancel)
    }
}
