// The supervisor of the process: it opens the listeners, starts the workers, distributes clients, handles signals and
// ends the process.

import Logging
import Reactor
import Settings
import Telemetry
import Upstream

/// The reason why pgleash could not start, in one line.
package struct StartError: Error, CustomStringConvertible {
    package let description: String
    /// The configuration is wrong.
    package var isConfigurationError = false
}

/// Runs on the main thread, together with the cancel dispatcher and the first worker.
package final class Supervisor {
    /// The time after SIGTERM in which the process ends; a second less than documented.
    private static let drainTimeout = Duration.seconds(4)
    /// Connections above twice max_sessions that only clients on this machine get.
    private static let localReserve = 16
    /// The pause of the listeners when there are no descriptors left.
    private static let exhaustedPause = Duration.milliseconds(100)

    private let configuration: Configuration
    private let security: Security
    private let log: Logger
    private let output: LogOutput
    private let loop: LibeventLoop
    private let counters = Counters()
    private let startTime = WallTime.now
    private let events = Mailbox<SupervisorEvent>()
    private let orders = Mailbox<DispatcherMessage>()
    private let dispatcher: CancelDispatcher
    private let monitors: MonitorService?
    private let record: SessionRecord?
    private var recovery: Recovery?
    private let upstream: Upstream
    private let sessionQuota: Quota
    private let state = ProcessState()
    private var status: StatusServer?
    private var workers: WorkerPool?
    private var listeners: [Listener] = []
    private var signals: [SignalWatch] = []
    private var timer: (any ScheduledTimer)?
    private var reporter: Reporter?
    private var undrained = 0
    private var isDraining = false
    /// The last client could not be accepted, and the log has reported it.
    private var isExhausted = false
    private var exitCode: Int32 = 0

    /// - Parameter output: the destination of `log` and of a report.
    /// - Throws: `StartError` when the monitor has no libpq.
    package init(
        _ configuration: Configuration, _ security: Security, log: Logger, to output: LogOutput
    ) throws(StartError) {
        (self.configuration, self.security) = (configuration, security)
        (self.log, self.output) = (log, output)
        loop = LibeventLoop(configuration)
        upstream = Upstream(configuration.server.endpoints)
        monitors = try MonitorService(configuration, orders, log: log)
        record = try configuration.openRecord()
        dispatcher = CancelDispatcher(
            loop: loop, limits: configuration.cancel, security: security.server, monitors: monitors?.monitors,
            counters: counters, log: log
        )
        sessionQuota = Quota(configuration.listen.maxSessions)
    }

    /// Serves until a signal ends it.
    ///
    /// - Returns: the exit code.
    /// - Throws: `StartError` when an address cannot be bound or a thread cannot be started.
    package func run() throws -> Int32 {
        StartupCheck.checkDescriptorLimit(configuration, log)
        try events.open(on: loop) { [unowned self] in receive($0) }
        try orders.open(on: loop) { [unowned self] in dispatcher.receive($0) }
        try startStatus()
        listeners = try openListeners()
        let own = OwnAddresses(listeners.map(\.address))
        // The names of the listen addresses are resolved at this point.
        if configuration.isServer(among: own) {
            throw StartError(description: configuration.loopError, isConfigurationError: true)
        }
        try startWorkers(own)
        try openMonitors()
        watchSignals()
        listeners.forEach { $0.resume() }
        state.enter(.serving)
        logStart()
        let servers = configuration.server.endpoints
        StartupCheck(servers: servers, security: security.server, events: events, log: log).begin(own)
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
        case .threadFailed(let name, let error):
            log.critical("\(name) could not start", metadata: ["reason": "\(error)"])
            exitCode = 1
            loop.stop()
        case .serverIsOurselves:
            log.critical("\(configuration.loopError)")
            exitCode = exConfig
            loop.stop()
        }
    }

    /// Ends the process when all sessions have ended and a requested report is written.
    private func stopOnceDone() {
        guard isDraining, undrained == 0, reporter?.isBusy != true else { return }
        dispatcher.logSuppressed()
        loop.stop()
    }
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

    private func startStatus() throws {
        guard let address = configuration.http.listen else { return }
        status = try StatusServer(at: address, configuration, state) { [events] in
            events.post(.threadFailed("HTTP endpoints", $0))
        }
    }

    /// Of the addresses of one host, those of a family that the machine lacks may be missing.
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

    private func openMonitors() throws {
        guard let monitors else { return }
        monitors.open(upstream)
        guard let record, !record.left.isEmpty else { return }
        recovery = Recovery(record, monitors.monitors, configuration.cancel, on: loop, orders, counters, log: log)
        try recovery?.begin()
    }

    private func startWorkers(_ own: OwnAddresses) throws {
        let environment = WorkerEnvironment(
            configuration: configuration,
            upstream: upstream,
            ownAddresses: own,
            security: security,
            sessionQuota: sessionQuota,
            dispatcher: orders,
            monitors: monitors?.monitors,
            record: record,
            log: log
        )
        do throws(SystemError) {
            let pool = try WorkerPool(count: configuration.workers, loop: loop, environment: environment) { [events] in
                events.post(.threadFailed("worker", $0))
            }
            workers = pool
            let collector = MetricCollector(
                counters: [counters] + pool.counters, configuration: configuration, security: security, output: output,
                startTime: startTime, monitors: monitors?.monitors, logins: environment.logins
            )
            reporter = Reporter(collector, pool, environment.orphanHistory, events, log: log)
            status?.started(
                StatusSources(
                    collector: collector, workers: pool.mailboxes, orphans: environment.orphanHistory,
                    listening: listeners.map(\.address), sessionQuota: sessionQuota
                )
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
        var metadata: Logger.Metadata = [
            "libevent": "\(LibeventLoop.libeventVersion)",
            "method": "\(loop.method)",
            "listen": "\(listeners.map { "\($0.address)" }.joined(separator: ","))",
            "server": "\(configuration.server.endpoints.map(\.description).joined(separator: ","))",
            "workers": .number(configuration.workers),
            "listen_sslmode": "\(configuration.listen.tls.mode.rawValue)",
            "server_sslmode": "\(configuration.server.tls.mode.rawValue)",
        ]
        if let status { metadata["http"] = "\(status.addresses.map(\.description).joined(separator: ","))" }
        log.notice("pgleash \(pgleashVersion) started", metadata: metadata)
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
            // A client that is not accepted waits in the kernel's queue.
            if !isExhausted { log.error("could not accept clients", metadata: ["reason": "\(error)"]) }
            isExhausted = true
            listeners.forEach { $0.pause() }
            timer = loop.schedule(after: Self.exhaustedPause) { [unowned self] in listeners.forEach { $0.resume() } }
        }
    }

    /// A session above the limit gets an error after its startup packet, as a CancelRequest is always accepted. The
    /// number of such connections has the same limit again, as in PostgreSQL's postmaster; further connections are
    /// closed.
    private func handOut(_ client: AcceptedSocket) {
        // Otherwise any client could make a health check on this machine fail.
        let reserve = client.peer.isLoopback ? Self.localReserve : 0
        guard let workers, workers.sessionCount < 2 * configuration.listen.maxSessions + reserve else {
            counters.clientsRejected.add()
            return closeDescriptor(client.descriptor)
        }
        workers.serve(client)
    }
}

// MARK: - Signals

extension Supervisor {
    /// Stops accepting, lets the workers end their sessions and cancel running statements, and ends the process; at
    /// once at the second call.
    private func drain(_ signal: String) {
        guard !isDraining else { return loop.stop() }
        isDraining = true
        state.enter(.stopping)
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
