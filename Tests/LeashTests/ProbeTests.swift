// When a server is asked what it has answered.

import PostgresWire
import Reactor
import Testing

@testable import Leash

private let now = MonotonicTime(nanoseconds: 1)

@Suite("A probe")
struct ProbeTests {
    @Test("A server that sends a copy is probed when it has sent it")
    func probeAfterCopy() {
        var state = session(.authenticated, .key, .ready, .query, Step(answers: [(BackendKind.copyOutResponse, [])]))
        _ = state.clientDropped(.fin, at: now, timeout: .seconds(30))
        #expect(state.probe(at: now) == .nothing)
        state.serverAnswered(BackendKind.commandComplete, Span())
        #expect(state.probe(at: now) == .send(LastMessages.failingExecute + LastMessages.sync))
    }

    @Test("A batch that was ended in the client's place is probed again later")
    func probeOfBatch() {
        var state = session(.authenticated, .key, .ready, Step(requests: [FrontendKind.parse, FrontendKind.execute]))
        _ = state.clientDropped(.fin, at: now, timeout: .seconds(30))
        #expect(state.nextEnding(at: now) == .send(LastMessages.failingExecute + LastMessages.sync))
        #expect(state.probe(at: now) == .nothing)
        #expect(state.probe(at: now) == .send(LastMessages.failingExecute + LastMessages.sync), "it may have failed")
    }
}
