// The suite of all tests on a real loop, one after the other, and loop runs with a deadline.

import Glibc
import Reactor
import Testing

/// Serial, because descriptors, signals and processor time belong to the whole process.
@Suite(.serialized) enum RealLoop {}

extension LibeventLoop {
    /// Runs until `stop`, and fails when that takes longer than any machine needs.
    func runUntilStopped(sourceLocation: SourceLocation = #_sourceLocation) {
        let deadline = schedule(after: .seconds(20)) { [unowned self] in
            Issue.record("the loop was not stopped in time", sourceLocation: sourceLocation)
            stop()
        }
        run()
        deadline.cancel()
    }
}
