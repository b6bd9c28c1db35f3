// The suite of all tests on a real loop, one after the other, and runs of a loop that end by a deadline.

import Glibc
import Reactor
import Testing

/// Serial, because descriptors, signals and processor time belong to the whole process.
@Suite(.serialized) enum RealLoop {}

/// Lends a loop that outlives whatever `body` makes on it: events must be freed before their loop is.
func withLoop<Result>(_ body: (LibeventLoop) throws -> Result) rethrows -> Result {
    let loop = LibeventLoop(receiveBufferSize: 65_536)
    defer { withExtendedLifetime(loop) {} }
    return try body(loop)
}

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

    /// Runs for `duration` and gives the processor time this thread took, which tells a busy loop from a waiting one.
    @discardableResult
    func run(for duration: Duration) -> Duration {
        let end = schedule(after: duration) { [unowned self] in stop() }
        let before = threadProcessorTime()
        run()
        end.cancel()
        return threadProcessorTime() - before
    }
}

private func threadProcessorTime() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// What a waiting loop may take of 100 ms; one that never waits takes nearly all.
let idleProcessorTime = Duration.milliseconds(20)

/// An owner that writes down what it is told and then does what the test wants.
final class Recorder: SocketOwner {
    private(set) var told: [Readiness] = []
    private let reaction: (any StreamSocket, Readiness) -> Void

    init(_ reaction: @escaping (any StreamSocket, Readiness) -> Void = { _, _ in }) {
        self.reaction = reaction
    }

    func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        // A busy loop would tell a million times; a hundred are enough to see it by.
        if told.count < 100 { told.append(readiness) }
        reaction(socket, readiness)
    }
}

/// A value that a closure may change while others look at it; for one thread.
final class Box<Value> {
    var value: Value
    init(_ value: Value) { self.value = value }
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
