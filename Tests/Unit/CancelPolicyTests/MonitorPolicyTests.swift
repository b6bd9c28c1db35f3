// What the reaper does where there is a monitor.

import PostgresProtocol
import Testing

@testable import CancelPolicy

@Suite struct `With a monitor` {
    private let monitor = Reaper.Monitor(isConnected: true)

    /// A session that has these requests outstanding.
    private func session(hasKey: Bool = true, _ queries: String...) -> SessionState {
        var state = SessionState(isReplication: false)
        if hasKey {
            let key: [UInt8] = [0, 0, 1, 0, 9, 9, 9, 9]
            state.tracker.serverAnswered(BackendKind.backendKeyData, key.span)
        }
        state.tracker.serverAnswered(BackendKind.readyForQuery, [UInt8(ascii: "I")].span)
        for query in queries { state.tracker.clientSent(FrontendKind.query, Array("\(query)\0".utf8).span) }
        return state
    }

    private func drop(
        _ state: inout SessionState, grace: Duration = .zero, _ monitor: Reaper.Monitor?
    ) -> SessionState.Action {
        state.clientDropped(.fin, timeout: .seconds(30), grace: grace, monitor: monitor)
    }

    @Test func `a single request is cancelled`() {
        var state = session("SELECT 1")
        #expect(drop(&state, monitor) == .reap(.cancel))
    }

    @Test(arguments: [
        ["SELECT 1", "SELECT 2"], ["SELECT 1", "BEGIN", "SELECT 2"], ["SELECT 1", "COMMIT", "SELECT 2"],
    ])
    func `the backend is ended where other requests follow`(queries: [String]) {
        var state = session()
        for query in queries { state.tracker.clientSent(FrontendKind.query, Array("\(query)\0".utf8).span) }
        #expect(drop(&state, monitor) == .reap(.endBackend))
        #expect(state.cancelConcluded(.sent, at: .milliseconds(1)) == .wake(at: .milliseconds(251)))
        #expect(state.serverClosed(at: .milliseconds(2)) == .reap(.end(.terminated)))
    }

    @Test func `a COMMIT may begin to wait for its standby, and the backend is ended after it`() {
        var state = session("COMMIT", "SELECT 2", "SELECT 3")
        #expect(drop(&state, monitor) == .reap(.wake(at: .seconds(30))))
        state.tracker.serverAnswered(BackendKind.commandComplete, [UInt8]().span)
        state.tracker.serverAnswered(BackendKind.readyForQuery, [UInt8(ascii: "I")].span)
        #expect(state.serverAnsweredWhileReaping(at: .milliseconds(1)) == .endBackend)
    }

    @Test func `a lone COMMIT is neither cancelled nor ended`() {
        var state = session("COMMIT")
        #expect(drop(&state, monitor) == .reap(.wake(at: .seconds(30))))
    }

    @Test func `requests are cancelled as without one where it can't end the backend`() {
        var state = session("SELECT 1", "SELECT 2")
        _ = drop(&state, monitor)
        #expect(state.cancelConcluded(.notSent, at: .milliseconds(1)) == .wake(at: CancelTiming.slow))
        #expect(state.timePassed(at: CancelTiming.slow) == .cancel)
    }

    @Test func `a backend that waits for its standby is asked about again, and never cancelled`() {
        var state = session("INSERT 1", "SELECT 2")
        _ = drop(&state, monitor)
        var now = Duration.milliseconds(1)
        for _ in 1...8 {
            guard case .wake(let time) = state.cancelConcluded(.leftAlone, at: now) else { break }
            now = time
            #expect(state.timePassed(at: now) == .endBackend)
        }
        #expect(now > .milliseconds(500))
    }

    @Test func `a session without a key is cancelled, and left where there is none`() {
        var keyless = session(hasKey: false, "SELECT 1")
        #expect(drop(&keyless, monitor) == .reap(.cancel))
        var alone = session(hasKey: false, "SELECT 1")
        #expect(drop(&alone, Reaper.Monitor(isConnected: false)) == .reap(.end(.noKey)))
    }

    @Test func `a backend that ignores cancels is ended after terminate_after, whenever the monitor has connected`() {
        var state = session("SELECT 1")
        let monitor = Reaper.Monitor(isConnected: false, terminateAfter: .seconds(2))
        #expect(drop(&state, monitor) == .reap(.cancel))
        var (now, action) = (Duration.zero, Reaper.Action.cancel)
        for _ in 0..<100 where action != .endBackend {
            switch action {
            case .cancel: action = state.cancelConcluded(.sent, at: now)
            case .wake(let time):
                now = time
                action = state.timePassed(at: now)
            default: action = state.timePassed(at: now)
            }
        }
        #expect(now == .seconds(2) && action == .endBackend)
        // It is ended again, not cancelled.
        guard case .wake(let time) = state.cancelConcluded(.notSent, at: now) else { return #expect(Bool(false)) }
        #expect(time > now)
    }

    @Test func `no backend is ended within the grace, nor one that was never cancelled`() {
        var pipeline = session("SELECT 1", "SELECT 2")
        #expect(drop(&pipeline, grace: .seconds(1), monitor) == .reap(.wake(at: .seconds(1))))
        #expect(pipeline.timePassed(at: .seconds(1)) == .endBackend)
        var commit = session("COMMIT")
        #expect(drop(&commit, .init(isConnected: true, terminateAfter: .seconds(1))) == .reap(.wake(at: .seconds(30))))
        #expect(commit.timePassed(at: .seconds(2)) == .wake(at: .seconds(30)))
    }
}
