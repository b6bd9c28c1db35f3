// The end of the conversation with the server after a drop: messages, or the end of the stream.

import Testing

@testable import CancelPolicy
@testable import PostgresProtocol

@Suite struct `The end of the conversation after a drop` {
    private let now = Duration.zero

    @Test
    func `Where no message can follow the stream ends: when nothing runs, or when cancels went without an answer`() {
        let open = Step(requests: [FrontendKind.parse, FrontendKind.execute])
        let answered = Step(answers: [(BackendKind.parseComplete, []), (BackendKind.commandComplete, [])])
        typealias Case = (SessionState, atOnce: Bool, atProbe: Bool)
        let cases: [Case] = [
            (session(.authenticated, .key, .ready, .query), false, false),
            (session(.authenticated, .key, .ready, open), false, true),
            (session(.authenticated, .key, .ready, open, answered), true, false),
            (session(.authenticated, .key, .ready, .query, .copy), true, false),
        ]
        for (session, atOnce, atProbe) in cases {
            var state = session
            _ = state.clientDropped(.fin, cut: .unknown, timeout: .seconds(30))
            #expect((state.nextEnding(at: now) == .endStream) == atOnce)
            _ = state.cancelConcluded(.sent, at: now)
            #expect(state.nextEnding(at: now) == .nothing)
            #expect((state.probe(at: now) == .endStream) == atProbe)

            var withGrace = session
            _ = withGrace.clientDropped(.fin, cut: .unknown, timeout: .seconds(30), grace: .seconds(1))
            #expect((withGrace.nextEnding(at: now) == .endStream) == (atOnce || atProbe), "a grace is for what runs")
        }
    }

    @Test func `A text copy that is cut is completed and fails, a binary one ends with the stream`() {
        let cut = CutMessage(kind: FrontendKind.copyData, headerMissing: 0, bodyMissing: 2)
        let completed = SessionState.Ending.send(Array("  ".utf8) + LastMessages.copyFail)
        var text = session(.authenticated, .key, .ready, .query, .copy)
        #expect(text.clientDropped(.fin, cut: cut, timeout: .seconds(30)) == .reap(.wake(at: Reaper.pauseForRest)))
        #expect(text.nextEnding(at: now) == completed)
        #expect(text.nextEnding(at: now) == .nothing && text.canTerminate)

        let extended = Step(requests: [FrontendKind.parse, FrontendKind.bind, FrontendKind.execute])
        let bound = Step(answers: [(BackendKind.parseComplete, []), (BackendKind.bindComplete, [])])
        var batch = session(.authenticated, .key, .ready, extended, bound, .copy)
        _ = batch.clientDropped(.fin, cut: cut, timeout: .seconds(30))
        let bytes = Array("  ".utf8) + LastMessages.copyFail + LastMessages.sync
        #expect(batch.nextEnding(at: now) == .send(bytes))

        var late = session(.authenticated, .key, .ready, .query)
        #expect(late.clientDropped(.fin, cut: cut, timeout: .seconds(30)) == .reap(.cancel))
        #expect(late.nextEnding(at: now) == .nothing)
        late.tracker.serverAnswered(BackendKind.copyInResponse, [0].span)
        #expect(late.nextEnding(at: now) == completed, "the copy began after the drop")

        let binary = Step(answers: [(BackendKind.copyInResponse, [1])])
        var other = session(.authenticated, .key, .ready, .query, binary)
        _ = other.clientDropped(.fin, cut: cut, timeout: .seconds(30))
        #expect(other.nextEnding(at: now) == .endStream, "the rest could be a row")
        #expect(!other.canTerminate)
    }

    @Test func `A copy that begins after its end and the probe were sent is cancelled`() {
        let sent = Step(requests: [
            FrontendKind.parse, FrontendKind.bind, FrontendKind.execute, FrontendKind.copyData, FrontendKind.copyDone,
        ])
        var state = session(.authenticated, .key, .ready, sent)
        #expect(state.clientDropped(.fin, timeout: .seconds(30)) == .reap(.cancel))
        #expect(state.nextEnding(at: now) == .send(LastMessages.failingExecute + LastMessages.sync))
        let nothing: [UInt8] = []
        for kind in [BackendKind.parseComplete, BackendKind.bindComplete] {
            state.tracker.serverAnswered(kind, nothing.span)
        }
        state.tracker.serverAnswered(BackendKind.copyInResponse, [0].span)
        #expect(state.cancelTiming == .atOnce, "a trigger may work on the rows")
    }

    @Test func `A Terminate waits while a copy may still be at work`() {
        #expect(session(.authenticated, .key, .ready, .query, .copy).mustHoldTerminate)
        let open = Step(requests: [FrontendKind.parse, FrontendKind.execute])
        let answered = Step(answers: [(BackendKind.parseComplete, []), (BackendKind.commandComplete, [])])
        #expect(!session(.authenticated, .key, .ready, open, answered).mustHoldTerminate)
    }
}
