// The suite of all tests on a real loop, one after the other, and runs of a loop that end by a deadline.

import Glibc
import Reactor
import RealSockets
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

/// The first 4 KiB of the file at `path`.
func contents(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = read(descriptor, &bytes, bytes.count)
    return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
}
