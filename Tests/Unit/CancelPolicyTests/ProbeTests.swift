// The probes that show which requests a server has answered.

import Reactor
import Testing

@testable import PostgresProtocol

private let now = Duration.zero

@Suite struct `A probe` {
    @Test func `A server that sends a copy is probed when it has sent it`() {
        var state = session(
            .authenticated, .key, .ready, .query, .ready, Step(answers: [(BackendKind.copyOutResponse, [])])
        )
        _ = state.clientDropped(.fin, timeout: .seconds(30))
        #expect(state.probe(at: now) == .nothing)
        state.tracker.serverAnswered(BackendKind.commandComplete, Span())
        #expect(state.probe(at: now) == .send(LastMessages.failingExecute + LastMessages.sync))
    }

    @Test func `A server that surely runs something is not asked: PgBouncer would give the answer to another client`() {
        var state = session(.authenticated, .key, .ready, .query)
        _ = state.clientDropped(.fin, timeout: .seconds(30))
        #expect(state.probe(at: now) == .nothing)
    }

    @Test func `A Sync within a copy, or before one, leaves it open what is answered, until all is`() {
        let copyIn = Step(answers: [(BackendKind.copyInResponse, [])])
        let batch = Step(requests: [FrontendKind.parse, FrontendKind.bind, FrontendKind.execute, FrontendKind.sync])
        let bound = Step(answers: [(BackendKind.parseComplete, []), (BackendKind.bindComplete, [])])
        var within = session(.authenticated, .key, .ready, .query, copyIn, Step(requests: [FrontendKind.sync]))
        #expect(within.tracker.outstanding.isUncertain)
        within.tracker.serverAnswered(BackendKind.errorResponse, Span())
        within.tracker.serverAnswered(BackendKind.readyForQuery, Span())
        #expect(!within.tracker.isBusy && !within.tracker.outstanding.isUncertain)
        #expect(session(.authenticated, .key, .ready, batch, bound, copyIn).tracker.outstanding.isUncertain)
        #expect(!session(.authenticated, .key, .ready, .query, copyIn).tracker.outstanding.isUncertain)
    }
}
