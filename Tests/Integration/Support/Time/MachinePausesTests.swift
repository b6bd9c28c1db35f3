// The clock of the tests, with which pgleash's bounds are measured.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `The clock of the tests` {
        /// For stopped threads it is as if the machine had been stopped.
        @Test func `counts no pause as time that something took`() throws {
            let pauses = MachinePauses.shared
            let start = ContinuousClock.now
            let stop = "kill -STOP $PPID; sleep 0.4; kill -CONT $PPID"
            #expect(try ChildProcess.run(Programs.system("sh"), ["-c", stop]).exit == .code(0))
            rest(.milliseconds(100))
            let end = ContinuousClock.now
            #expect(start.duration(to: end) > .milliseconds(500))
            let time = pauses.timeWithout(from: start, to: end)
            // The measured pause can be slightly longer than the real one.
            #expect(time > .milliseconds(90) && time < .milliseconds(300), "\(time)")
        }

        @Test func `counts time that passed without one as it is`() {
            let start = ContinuousClock.now
            #expect(MachinePauses.shared.timeWithout(from: start, to: start + .milliseconds(19)) == .milliseconds(19))
        }
    }
}
