// The workers: the first is on the main thread's loop, each further one on a thread of its own.

import Reactor
import Settings
import Telemetry

/// Starts the workers and deals with them together.
///
/// The main thread has little to do of its own, and a client that it accepts for itself costs no wake-up of another
/// thread, which takes longer than all else that pgleash does for a new session.
final class WorkerPool {
    /// A worker, as other threads see it.
    private struct Handle: Sendable {
        let mailbox = Mailbox<WorkerMessage>()
        let counters = Counters()
        let load = Quota()

        func makeWorker(on loop: LibeventLoop, _ environment: WorkerEnvironment) throws(SystemError) -> Worker {
            let worker = try Worker(
                loop: loop, mailbox: mailbox, counters: counters, load: load, environment: environment
            )
            try mailbox.open(on: loop) { worker.receive($0) }
            return worker
        }
    }

    private let first: Worker
    private let handles: [Handle]

    /// - Parameters:
    ///   - count: how many workers, at least 1.
    ///   - loop: the first one's.
    ///   - failed: told when another could not begin; on its thread.
    init(
        count: Int,
        loop: LibeventLoop,
        environment: WorkerEnvironment,
        failed: @escaping @Sendable (SystemError) -> Void
    ) throws(SystemError) {
        handles = (0..<count).map { _ in Handle() }
        first = try handles[0].makeWorker(on: loop, environment)
        for (index, handle) in handles.enumerated().dropFirst() {
            try startThread(named: "worker-\(index)") {
                let loop = LibeventLoop(environment.configuration)
                do throws(SystemError) {
                    let worker = try handle.makeWorker(on: loop, environment)
                    withExtendedLifetime(worker) { loop.run() }
                } catch {
                    failed(error)
                }
            }
        }
    }

    var count: Int { handles.count }

    var counters: [Counters] { handles.map(\.counters) }

    /// Sessions of all workers.
    var sessionCount: Int { handles.reduce(0) { $0 + $1.load.used } }

    /// Hands `client` to the worker with the fewest sessions.
    func serve(_ client: AcceptedSocket) {
        var leastLoaded = 0
        for index in handles.indices where handles[index].load.used < handles[leastLoaded].load.used {
            leastLoaded = index
        }
        handles[leastLoaded].load.acquire()
        if leastLoaded == 0 {
            first.receive(.client(client))
        } else {
            handles[leastLoaded].mailbox.post(.client(client))
        }
    }

    /// Tells all workers the same.
    func post(_ message: WorkerMessage) {
        for handle in handles { handle.mailbox.post(message) }
    }
}

extension LibeventLoop {
    /// A loop for sessions.
    convenience init(_ configuration: Configuration) {
        self.init(receiveBufferSize: Configuration.receiveBufferSize, keepalive: configuration.server.keepalive)
    }
}
