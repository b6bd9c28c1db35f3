// The limit on log lines that any client can cause.

import Testing

@testable import Telemetry

@Suite struct `A limit on log lines` {
    @Test func `lets ten lines a second through and counts the others`() {
        var throttle = LogThrottle()
        let admitted = (0..<25).map { _ in throttle.admit(at: .milliseconds(1_500)) }
        #expect(admitted == (0..<25).map { $0 < 10 })
        #expect(throttle.takeSuppressed() == 15)
        #expect(throttle.takeSuppressed() == 0)
        #expect(throttle.admit(at: .milliseconds(2_000)))
    }
}
