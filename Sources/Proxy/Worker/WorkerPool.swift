// The workers: the first runs on the main thread's loop, each other one on its own thread.

import Reactor
import Settings
import Telemetry

/// Starts the workers and distributes clients.
///
/// The main thread has little other work, and a client that it accepts for its own worker needs no wake-up of another
/// thread, which takes longer than everything else that pgleash does for a new session.
final class WorkerPool {
    /// The part of a worker that other threads access.
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
    ///   - count: the number of workers, at least 1.
    ///   - loop: the loop of the first worker.
    ///   - failed: called when another worker could not start, on its thread.
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

    var mailboxes: [Mailbox<WorkerMessage>] { handles.map(\.mailbox) }

    var counters: [Counters] { handles.map(\.counters) }

    /// The number of sessions of all workers.
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

    /// Sends `message` to all workers.
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
