// What all stages of a client's connection have in common, and how one follows another.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// Tells the clients of one worker apart, also from those that are no more.
package typealias SessionID = UInt64

/// A client's connection at one stage of its life. A stage owns its sockets and ends them, or hands them to the stage
/// that takes over; it is not used any more after either.
///
/// ```
///     ClientHandshake ─┬─ CancelRelay
///                      └─ SessionOpening ─── Session ─── Orphan
///
///     ClientHandshake, SessionOpening, Session ─── LingeringClose
/// ```
class Stage: SocketOwner {
    final let id: SessionID
    /// A strong reference, as that costs less than to check an unowned one each time; `end` and the next stage break
    /// the cycle.
    final let worker: Worker
    final let clientAddress: SocketAddress
    private final let openedAt: MonotonicTime
    private final var identity: (user: String, database: String)?
    // What was counted and taken, and is given back once, by the stage at which the connection ends.
    /// Since when the server owes something, which the gauge of busy sessions counts.
    private final var busySince: MonotonicTime?
    /// Clients' own cancels find the way to this session's server by `cancelKey`.
    private final var isRegistered = false
    /// A place within `max_sessions` is taken.
    private final var hasPlace = false
    /// It has ended, or another stage has taken over, and with it all that is to be given back.
    private(set) final var isOver = false

    /// The first stage.
    init(_ id: SessionID, _ worker: Worker, clientAddress: SocketAddress) {
        self.id = id
        self.worker = worker
        self.clientAddress = clientAddress
        openedAt = worker.loop.now
        worker.counters.sessionsOpened.add()
        worker.counters.sessionsActive.add()
        if worker.environment.configuration.logsConnections {
            worker.environment.log.info("connection received", metadata: logMetadata)
        }
    }

    /// Takes over from `previous`.
    init(after previous: Stage) {
        id = previous.id
        worker = previous.worker
        clientAddress = previous.clientAddress
        openedAt = previous.openedAt
        identity = previous.identity
        busySince = previous.busySince
        isRegistered = previous.isRegistered
        hasPlace = previous.hasPlace
        precondition(!previous.isOver, "a stage is followed by one other")
        previous.isOver = true
        previous.stopWaiting()
        worker.replace(previous, by: self)
    }

    // MARK: For the stages to override

    func socket(_ socket: any StreamSocket, became readiness: Readiness) {}

    /// Closes what the stage owns. It is over, and `stopWaiting` has been called.
    func close() {}

    /// Waits for nothing any more.
    func stopWaiting() {}

    /// pgleash stops: idle sessions end, running queries are cancelled without a grace, reaping goes on.
    func shutDown() {}

    /// The addresses the server's name stands for now.
    func serverResolved(_ answer: NameResolver.Answer) {}

    /// The dispatcher is through with a cancel that this stage asked for.
    func cancelConcluded(_ result: Reaper.CancelResult) {}

    /// The stage in the words of `pg_stat_activity.state`, where it has one.
    var name: String { "" }

    /// What is known of the session's backend.
    var backend: Backend { Backend() }

    var encryption: SessionSnapshot.Encryption { .none }

    /// This, where client and server are both there.
    var relaying: Session? { nil }

    // MARK: The end

    /// Ends the client's connection: the only way it does.
    final func end(_ reason: EndReason) {
        guard !isOver else { return }
        isOver = true
        stopWaiting()
        close()
        releaseAll()
        worker.counters.sessionsEnded[reason].add()
        logEnd(reason)
        worker.forget(self)
    }
}

// MARK: - Acquired resources

extension Stage {
    final func identify(_ message: StartupMessage) { identity = (message.user, message.database) }

    /// - Returns: whether there was a place left within `max_sessions`.
    final func acquirePlace() -> Bool {
        hasPlace = worker.environment.sessionQuota.tryAcquire()
        return hasPlace
    }

    /// Lets clients' own cancels find the session.
    final func register(_ key: CancelKey, _ route: CancelRoute) {
        worker.environment.keys.enter(key, route)
        isRegistered = true
    }

    /// As noted last.
    final var isBusy: Bool { busySince != nil }

    /// Keeps the gauge and the start of the running query in step with what is owed.
    @inline(__always) final func noteBusy(_ isBusy: Bool) {
        if isBusy != self.isBusy { setBusy(isBusy) }
    }

    private final func setBusy(_ isBusy: Bool) {
        worker.counters.sessionsBusy.add(isBusy ? 1 : -1)
        busySince = isBusy ? worker.now : nil
    }

    private final func releaseAll() {
        noteBusy(false)
        if hasPlace { worker.environment.sessionQuota.release() }
        if isRegistered, let cancelKey = backend.cancelKey { worker.environment.keys.leave(cancelKey) }
        worker.counters.sessionsActive.add(-1)
    }
}

// MARK: - Log and report

extension Stage {
    /// Who this is, as every log line about a session has it, and `more`.
    final func logMetadata(_ more: Logger.Metadata) -> Logger.Metadata { logMetadata.merging(more) { $1 } }

    final var logMetadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["client": "\(clientAddress)"]
        let backend = backend
        if let identity {
            metadata["user"] = "\(identity.user)"
            metadata["database"] = "\(identity.database)"
            metadata["application_name"] = "\(backend.applicationName)"
        }
        if let address = backend.address { metadata["server"] = "\(address)" }
        if let key = backend.cancelKey { metadata["pid"] = .number(key.processID) }
        return metadata
    }

    /// A drop at this moment, in the middle of a query.
    final func drop(_ kind: DropKind) -> Drop {
        let now = worker.now
        return Drop(kind, at: now, afterQueryOf: queryAge(at: now) ?? .zero)
    }

    /// The login is through.
    final func logOpened() {
        guard worker.environment.configuration.logsConnections else { return }
        let metadata = logMetadata(["ssl": "\(encryption.rawValue)"])
        worker.environment.log.info("connection authorized", metadata: metadata)
    }

    /// For how long the server has owed an answer; nil when it owes none.
    final func queryAge(at now: MonotonicTime) -> Duration? { busySince.map { now.since($0) } }

    private final func logEnd(_ reason: EndReason) {
        let level: Logger.Level = worker.environment.configuration.logsDisconnections ? .info : .debug
        guard worker.environment.log.logLevel <= level else { return }
        let more: Logger.Metadata = [
            "session_ms": .milliseconds(worker.loop.now.since(openedAt)), "reason": "\(reason.rawValue)",
        ]
        worker.environment.log.log(level: level, "disconnection", metadata: logMetadata(more))
    }

    final func snapshot(at now: MonotonicTime) -> SessionSnapshot {
        let backend = backend
        return SessionSnapshot(
            client: "\(clientAddress)",
            user: identity?.user ?? "",
            database: identity?.database ?? "",
            applicationName: backend.applicationName,
            processID: backend.cancelKey?.processID,
            state: name,
            encryption: encryption,
            age: now.since(openedAt),
            queryAge: queryAge(at: now)
        )
    }
}

extension DropKind {
    /// How a connection ended that the kernel holds this error for, or none.
    init(_ error: SystemError?) {
        self = error.map { $0.isTimeout ? .timeout : .reset } ?? .fin
    }
}

extension SessionSnapshot.Encryption {
    init(ofClient client: any StreamSocket, ofServer server: (any StreamSocket)?) {
        self.init(ofClient: client.encryptedPeerName != nil, ofServer: server?.encryptedPeerName != nil)
    }
}

/// What is known of the server's process that serves a session.
struct Backend {
    var cancelKey: CancelKey?
    var address: SocketAddress?
    /// As the server reported it last, or else as the client gave it.
    var applicationName = ""
}

/// The one thing that a stage waits for in time.
struct StageTimer {
    private var timer: (any ScheduledTimer)?

    /// Arms it, in place of what was waited for.
    mutating func set(_ loop: any EventLoop, after delay: Duration, _ body: @escaping () -> Void) {
        timer?.cancel()
        timer = loop.schedule(after: delay, body)
    }

    mutating func cancel() {
        timer?.cancel()
        timer = nil
    }
}
