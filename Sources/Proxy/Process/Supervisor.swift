// The whole program: opens the listeners, starts the workers, hands clients out, answers signals, ends.

import Logging
import Reactor
import Settings
import Telemetry
import Upstream

/// Why pgleash could not start, in one line.
package struct StartError: Error, CustomStringConvertible {
    package let description: String
    /// The configuration is wrong.
    package var isConfigurationError = false
}

/// Runs on the main thread, with the cancel dispatcher and the first of the workers beside it.
package final class Supervisor {
    /// Within which SIGTERM ends the process; a second less than what is promised.
    private static let drainTimeout = Duration.seconds(4)
    /// How long the listeners rest when there are no descriptors left.
    private static let exhaustedPause = Duration.milliseconds(100)

    private let configuration: Configuration
    private let security: Security
    private let log: Logger
    private let output: LogOutput
    private let loop: LibeventLoop
    private let counters = Counters()
    private let events = Mailbox<SupervisorEvent>()
    private let orders = Mailbox<DispatcherMessage>()
    private let dispatcher: CancelDispatcher
    private let sessionQuota: Quota
    private var workers: WorkerPool?
    private var listeners: [Listener] = []
    private var signals: [SignalWatch] = []
    private var timer: (any ScheduledTimer)?
    private var reporter: Reporter?
    private var undrained = 0
    private var isDraining = false
    /// The last client could not be accepted; the log has said so.
    private var isExhausted = false
    private var exitCode: Int32 = 0

    /// - Parameter output: where `log` goes, and a report.
    package init(_ configuration: Configuration, _ security: Security, log: Logger, to output: LogOutput) {
        self.configuration = configuration
        self.security = security
        (self.log, self.output) = (log, output)
        loop = LibeventLoop(configuration)
        dispatcher = CancelDispatcher(
            loop: loop, limits: configuration.cancel, security: security.server, counters: counters, log: log
        )
        sessionQuota = Quota(configuration.listen.maxSessions)
    }

    /// Serves until a signal ends it.
    ///
    /// - Returns: the exit code.
    /// - Throws: `StartError` when an address can't be listened on or a thread can't be started.
    package func run() throws -> Int32 {
        SignalWatch.ignoreBrokenPipes()
        checkDescriptorLimit()
        try events.open(on: loop) { [unowned self] in receive($0) }
        try orders.open(on: loop) { [unowned self] in dispatcher.receive($0) }
        listeners = try openListeners()
        let own = OwnAddresses(listeners.map(\.address))
        // The names that are listened on are resolved by now.
        if configuration.isServer(among: own) {
            throw StartError(description: configuration.loopError, isConfigurationError: true)
        }
        try startWorkers(own)
        watchSignals()
        listeners.forEach { $0.resume() }
        logStart()
        probeServers(own)
        loop.run()
        return exitCode
    }

    private func receive(_ event: SupervisorEvent) {
        switch event {
        case .sessions(let sessions): reporter?.collect(sessions)
        case .reported:
            reporter?.ended()
            stopOnceDone()
        case .drained:
            undrained -= 1
            stopOnceDone()
        case .workerFailed(let error):
            log.critical("worker could not start", metadata: ["reason": "\(error)"])
            exitCode = 1
            loop.stop()
        case .serverIsOurselves:
            log.critical("\(configuration.loopError)")
            exitCode = exConfig
            loop.stop()
        }
    }

    /// All sessions have ended, and a report that was asked for before is written.
    private func stopOnceDone() {
        if isDraining, undrained == 0, reporter?.isBusy != true { loop.stop() }
    }
}

/// What other threads tell the supervisor.
enum SupervisorEvent: Sendable {
    case sessions([SessionSnapshot])
    case reported
    case drained
    case workerFailed(SystemError)
    /// The server's name stands for an address that pgleash listens on.
    case serverIsOurselves
}

// MARK: - Starting

extension Supervisor {
    private func openListeners() throws -> [Listener] {
        var hosts: [[SocketAddress]] = []
        do throws(ResolutionError) {
            for endpoints in configuration.listen.endpoints {
                var addresses: [SocketAddress] = []
                for endpoint in endpoints { addresses += try endpoint.resolve() }
                hosts.append(addresses)
            }
        } catch {
            throw StartError(description: "\(error)")
        }
        let listening = ListenAddresses(hosts)
        for redundant in listening.redundant {
            log.warning(
                "listen address not needed: another one covers it",
                metadata: ["address": "\(redundant.address)", "covered_by": "\(redundant.covering)"]
            )
        }
        return try listening.hosts.flatMap { try openListeners($0) }
    }

    /// Of the addresses one host stands for, a family the machine lacks may be missing.
    private func openListeners(_ host: ListenAddresses.Host) throws(StartError) -> [Listener] {
        var opened: [Listener] = []
        for address in host.addresses {
            do throws(SystemError) {
                let keepalive = configuration.listen.keepalive
                opened.append(
                    try Listener(loop: loop, address: address, keepalive: keepalive) { [unowned self] in accept($0) }
                )
            } catch {
                let isLastAddress = address == host.addresses.last && opened.isEmpty && !host.isCovered
                if error.isAddressUnavailable, !isLastAddress { continue }
                throw StartError(description: "could not listen on \(address): \(error)")
            }
        }
        return opened
    }

    /// Each session takes two descriptors.
    private func checkDescriptorLimit() {
        let (limit, wanted) = (raiseDescriptorLimit(), 2 * UInt64(configuration.listen.maxSessions))
        guard limit < wanted else { return }
        log.notice(
            "the limit of open files allows fewer sessions than max_sessions",
            metadata: ["limit": "\(limit)", "max_sessions": "\(configuration.listen.maxSessions)"]
        )
    }

    private func startWorkers(_ own: OwnAddresses) throws {
        let environment = WorkerEnvironment(
            configuration: configuration,
            upstream: Upstream(configuration.server.endpoints),
            ownAddresses: own,
            security: security,
            sessionQuota: sessionQuota,
            dispatcher: orders,
            log: log
        )
        do throws(SystemError) {
            let pool = try WorkerPool(count: configuration.workers, loop: loop, environment: environment) { [events] in
                events.post(.workerFailed($0))
            }
            workers = pool
            reporter = Reporter(
                configuration, pool, counters, environment.orphanHistory, events, output, log: log
            )
        } catch {
            throw StartError(description: "could not start a worker: \(error)")
        }
    }

    private func watchSignals() {
        signals = [
            loop.watch(signal: .terminate) { [unowned self] in drain("SIGTERM") },
            loop.watch(signal: .interrupt) { [unowned self] in drain("SIGINT") },
            loop.watch(signal: .user1) { [reporter] in reporter?.begin() },
            loop.watch(signal: .hangUp) { [security, log, counters] in
                if !security.reload(log) { counters.reloadFailures.add() }
            },
        ]
    }

    private func logStart() {
        log.notice(
            "pgleash \(pgleashVersion) started",
            metadata: [
                "libevent": "\(LibeventLoop.libeventVersion)",
                "method": "\(loop.method)",
                "listen": "\(listeners.map { "\($0.address)" }.joined(separator: ","))",
                "server": "\(configuration.server.endpoints.map(\.description).joined(separator: ","))",
                "workers": "\(configuration.workers)",
                "listen_sslmode": "\(configuration.listen.tls.mode.rawValue)",
                "server_sslmode": "\(configuration.server.tls.mode.rawValue)",
            ]
        )
    }

    /// Says in the log whether the server is there. It is no condition: clients are told when they come.
    private func probeServers(_ own: OwnAddresses) {
        let (configuration, security, events, log) = (configuration, security.server, events, log)
        try? startThread(named: "probe") {
            for endpoint in configuration.server.endpoints {
                if let addresses = try? endpoint.resolve(), addresses.contains(where: { own.contains($0) }) {
                    return events.post(.serverIsOurselves)
                }
                let result = endpoint.probe(security)
                log.log(
                    level: result.isAccepting ? .info : .warning,
                    "startup check of server",
                    metadata: ["server": "\(endpoint)", "status": "\(result)"]
                )
            }
        }
    }
}

// MARK: - Clients

extension Supervisor {
    private func accept(_ result: Result<AcceptedSocket, SystemError>) {
        switch result {
        case .success(let client):
            isExhausted = false
            handOut(client)
        case .failure(let error):
            // Who is not accepted waits in the kernel's queue.
            if !isExhausted { log.error("could not accept clients", metadata: ["reason": "\(error)"]) }
            isExhausted = true
            listeners.forEach { $0.pause() }
            timer = loop.schedule(after: Self.exhaustedPause) { [unowned self] in listeners.forEach { $0.resume() } }
        }
    }

    /// Clients above the limit are told so by their session, once they have said what they want (a CancelRequest is
    /// always welcome). There may be as many of those again, as with PostgreSQL's postmaster; then the door is shut.
    private func handOut(_ client: AcceptedSocket) {
        guard let workers, workers.sessionCount < 2 * configuration.listen.maxSessions else {
            counters.clientsRejected.add()
            return closeDescriptor(client.descriptor)
        }
        workers.serve(client)
    }
}

// MARK: - Signals

extension Supervisor {
    /// Stops accepting, lets the workers end their sessions and cancel what is running, and ends; at once when told
    /// a second time.
    private func drain(_ signal: String) {
        guard !isDraining else { return loop.stop() }
        isDraining = true
        log.notice("stopping", metadata: ["signal": "\(signal)"])
        listeners = []
        undrained = workers?.count ?? 0
        workers?.post(.drain { [events] in events.post(.drained) })
        timer = loop.schedule(after: Self.drainTimeout) { [unowned self] in
            log.warning(undrained > 0 ? "not all sessions ended in time" : "the report was not written in time")
            loop.stop()
        }
    }
}
