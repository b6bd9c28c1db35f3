// The loss of the connection to the server, and whether it shows that the statement has ended.

import Reactor
import Testing

@testable import CancelPolicy
@testable import PostgresProtocol

private let now = Duration.zero

@Suite struct `The end of the connection to the server` {
    @Test func `The server closes: the reason depends on whether the client had sent Terminate`() {
        #expect(close(session(.authenticated, .key, .ready)) == .end(.serverClosed))
        #expect(close(session(.authenticated, .key, .ready, .terminate)) == .end(.clientTerminated))
        #expect(close(session(.authenticated, .key, .ready, .query, .fatal)) == .end(.serverClosed))
        #expect(close(dropped(.authenticated, .key, .ready, .query, .fatal)) == .reap(.end(.serverClosed)))
    }

    @Test func `A client that leaves after that, but before the connection ends, leaves nothing`() {
        var state = session(.authenticated, .key, .ready, .query, .fatal)
        #expect(state.clientDropped(.fin, timeout: .seconds(30)) == .end(.clientClosed))
    }

    @Test func `An error that is not fatal, or that the session outlives, is no end of it`() {
        let raised = Step(
            answers: [(BackendKind.errorResponse, Array("SERROR\0VERROR\0C57P01\0Mraised\0\0".utf8))]
        )
        let noticed = Step(
            answers: [(BackendKind.noticeResponse, Array("SNOTICE\0VNOTICE\0C57P01\0Mraised\0\0".utf8))]
        )
        for step in [raised, noticed] {
            var state = session(.authenticated, .key, .ready, .query, step)
            #expect(state.clientDropped(.fin, timeout: .seconds(30)) == .reap(.cancel))
        }
        var state = session(.authenticated, .key, .ready, .query, .fatal, .ready, .query)
        #expect(state.clientDropped(.fin, timeout: .seconds(30)) == .reap(.cancel))
    }

    @Test func `A pooler ends the connection: the statement behind it may continue`() {
        for code in ["08P01", "08006"] {
            let body = Array("SFATAL\0VFATAL\0C\(code)\0Mquery_timeout\0\0".utf8)
            let lost = session(.authenticated, .key, .ready, .query, Step(answers: [(BackendKind.errorResponse, body)]))
            #expect(close(lost) == .lose(.init(delay: .zero, isForOneCancel: false)))
        }
    }

    @Test func `PostgreSQL ends a session whose client left within a message, with an error of the same class`() {
        let body = Array(
            "SFATAL\0VFATAL\0C08P01\0Msynchronization was lost\0Fpostgres.c\0L1\0RPostgresMain\0\0".utf8
        )
        let state = session(.authenticated, .key, .ready, .query, Step(answers: [(BackendKind.errorResponse, body)]))
        #expect(close(state) == .end(.serverClosed))
    }

    @Test func `It closes without a message while a statement runs: this may continue`() {
        let atOnce = SessionState.Action.lose(.init(delay: .zero, isForOneCancel: false))
        #expect(close(session(.authenticated, .key, .ready, .query)) == atOnce)
        #expect(close(dropped(.authenticated, .key, .ready, .query)) == atOnce)
        var leaving = session(.authenticated, .key, .ready, .query)
        leaving.tracker.terminateHeld()
        #expect(close(leaving) == atOnce, "it has not read the Terminate")
        #expect(
            close(session(.authenticated, .key, .query)) == .lose(.init(delay: CancelTiming.slow, isForOneCancel: true))
        )
        let two = SessionState.Loss(delay: CancelTiming.slow, isForOneCancel: true)
        #expect(close(session(.authenticated, .key, .ready, .query, .query)) == .lose(two))
        var commit = session(.authenticated, .key, .ready)
        commit.tracker.clientSent(FrontendKind.query, Array("COMMIT\0".utf8).span)
        #expect(close(commit) == .lose(.init(delay: nil, isForOneCancel: true)))

        var withGrace = session(.authenticated, .key, .ready, .query)
        let grace = Duration.seconds(2)
        #expect(SessionState.Loss(delay: .zero, isForOneCancel: false).after(grace).delay == grace)
        _ = withGrace.clientDropped(.fin, timeout: .seconds(30), grace: grace)
        let later = now + .milliseconds(500)
        let left = SessionState.Loss(delay: .milliseconds(1500), isForOneCancel: false)
        #expect(withGrace.serverClosed(at: later) == .lose(left))
    }

    @Test func `It closes without a message before it has sent the key, when a request was sent ahead`() {
        #expect(close(dropped(.authenticated, .query)) == .reap(.end(.noKey)))
        #expect(close(session(.authenticated, .query)) == .end(.serverClosed), "its client is there to see it")
        let asked = Step(answers: [(BackendKind.authentication, [0, 0, 0, 3])])
        #expect(close(dropped(asked, .query)) == .reap(.end(.serverClosed)), "nothing runs before the login")
    }

    @Test func `It closes without a message where nothing runs, or nothing can be cancelled: the session ends`() {
        let open = Step(requests: [FrontendKind.parse, FrontendKind.execute])
        let answered = Step(answers: [(BackendKind.parseComplete, []), (BackendKind.commandComplete, [])])
        #expect(close(session(.authenticated, .key, .ready, open, answered)) == .end(.serverClosed))
        #expect(close(session(.authenticated, .key)) == .end(.serverClosed))
        #expect(close(session(.authenticated, .ready, .query)) == .end(.serverClosed))
        var excluded = SessionState(isReplication: false, exclusion: .whole)
        for (kind, body) in Step.key.answers + Step.ready.answers { excluded.tracker.serverAnswered(kind, body.span) }
        excluded.tracker.clientSent(FrontendKind.query)
        #expect(close(excluded) == .end(.serverClosed))
    }

    @Test func `It closes at the end of the stream that it was shown: a pooler has forgotten the key`() {
        var state = session(.authenticated, .key, .ready, Step(requests: [FrontendKind.parse, FrontendKind.execute]))
        _ = state.clientDropped(.fin, cut: .unknown, timeout: .seconds(30))
        #expect(state.probe(at: now) == .endStream)
        #expect(close(state) == .reap(.end(.unconfirmed)))
    }

    @Test func `It closes without a message in a copy: a trigger may still work on rows that have arrived`() {
        // A cancel that finds the server waiting for data is kept until some arrive, so one is enough.
        let one = SessionState.Loss(delay: .zero, isForOneCancel: true)
        #expect(close(session(.authenticated, .key, .ready, .query, .copy)) == .lose(one))
        var state = session(.authenticated, .key, .ready, .query, .copy)
        _ = state.clientDropped(.fin, cut: .unknown, timeout: .seconds(30))
        #expect(close(state) == .lose(one))
        #expect(state.nextEnding(at: now) == .endStream)
        #expect(close(state) == .reap(.end(.unconfirmed)))
    }

    private func close(_ state: SessionState) -> SessionState.Action {
        state.serverClosed(at: now)
    }

    private func dropped(_ steps: Step...) -> SessionState {
        var state = SessionState(isReplication: false)
        for step in steps {
            for (kind, body) in step.answers { state.tracker.serverAnswered(kind, body.span) }
            for kind in step.requests { state.tracker.clientSent(kind) }
            if step.requests.contains(FrontendKind.query) {
                _ = state.clientDropped(.fin, timeout: .seconds(30))
            }
        }
        return state
    }
}
