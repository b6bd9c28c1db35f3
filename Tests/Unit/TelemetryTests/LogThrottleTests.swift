// The limit on log lines that any client can cause.

import Testing

@testable import Telemetry

@Suite struct `A limit on log lines` {
    @Test func `lets ten lines a second through and counts the others`() {
        var throttle = LogThrottle()
        let admitted = (0..<25).map { _ in throttle.admit(at: .milliseconds(1_500)) }
        #expect(admitted == (0..<25).map { $0 < 10 })
        let counts = [throttle.takeSuppressed(), throttle.takeSuppressed()]
        #expect(counts == [15, 0])
        let isAdmittedLater = throttle.admit(at: .milliseconds(2_000))
        #expect(isAdmittedLater)
    }
}
