// The process of a backend, watched from outside: its end is visible earlier than with SQL, and watching it costs the
// server nothing.

import Foundation

/// A process of the server that can be awaited although it is not a child of the tests.
final class BackendProcess {
    private let descriptor: Int32

    /// - Throws: when there is no such process.
    init(_ pid: Int) throws {
        descriptor = pidfdOpen(pid_t(pid), 0)
        guard descriptor >= 0 else {
            throw TimedOut(description: unsafe "process \(pid): \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(descriptor)
    }

    /// The time at which each of them ended; nil for those that did not within `duration`.
    static func ends(of backends: [BackendProcess], within duration: Duration) -> [ContinuousClock.Instant?] {
        var ends = [ContinuousClock.Instant?](repeating: nil, count: backends.count)
        let deadline = Deadline(after: duration)
        while ends.contains(nil) {
            var queries = zip(backends, ends).map { backend, end in
                pollfd(fd: end == nil ? backend.descriptor : -1, events: Int16(POLLIN), revents: 0)
            }
            guard unsafe poll(&queries, nfds_t(queries.count), deadline.milliseconds) > 0 else { break }
            let now = ContinuousClock.now
            for (index, query) in queries.enumerated() where query.revents != 0 { ends[index] = now }
        }
        return ends
    }
}

/// pidfd_open(2), which glibc has and Swift's Glibc module lacks.
private let pidfdOpen: @convention(c) (pid_t, UInt32) -> Int32 = systemFunction("pidfd_open")
