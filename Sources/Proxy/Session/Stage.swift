// The common part of all stages of a client's connection, and the transition from one to the next.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// Identifies a client of one worker. Identifiers are not reused.
package typealias SessionID = UInt64

/// A client's connection at one stage. A stage owns its sockets and closes them, or hands them to the next stage; it is
/// not used any more after either.
///
/// ```
///     ClientHandshake ─┬─ CancelRelay
///                      └─ SessionOpening ─┬─ Session ─── Orphan
///                                         └─ Tunnel ─── TunnelOrphan
///
///     ClientHandshake, SessionOpening, Session, Tunnel ─── LingeringClose
/// ```
class Stage: SocketOwner {
    final let id: SessionID
    /// A strong reference, as that costs less than to check an unowned one each time; `end` and the next stage break
    /// the cycle.
    final let worker: Worker
    final let clientAddress: SocketAddress
    final let openedAt: MonotonicTime
    private(set) final var login: Login?
    // The fields below are counters and acquired resources, which the stage at which the connection ends releases once.
    /// The time since which requests are outstanding, counted by the gauge of busy sessions.
    private final var busySince: MonotonicTime?
    /// The key is in the directory, so that clients' own cancels find the session.
    private final var isRegistered = false
    /// A part of the quota `max_sessions` is acquired.
    private final var hasPlace = false
    /// The connection has ended, or another stage has taken over together with the resources.
    private(set) final var isOver = false

    /// Creates the first stage.
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
        login = previous.login
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

    /// Closes the sockets of the stage. It is over, and `stopWaiting` has been called.
    func close() {}

    /// Cancels timers and other waits.
    func stopWaiting() {}

    /// pgleash shuts down: idle sessions end, running statements are cancelled without a grace, reaping continues.
    func shutDown() {}

    /// The server's name is resolved.
    func serverResolved(_ answer: NameResolver.Answer) {}

    /// The dispatcher has concluded a cancel of this stage.
    func cancelConcluded(_ result: Reaper.CancelResult) {}

    /// The stage in the words of `pg_stat_activity.state`, where it has one.
    var name: String { "" }

    /// The client is connected, and the server has accepted its login.
    var isLoggedIn: Bool { false }

    /// The session's backend.
    var backend: Backend { Backend() }

    var encryption: SessionSnapshot.Encryption { .none }

    /// The stage itself, where both client and server are connected.
    var relaying: Session? { nil }

    /// The same, for the periodic checks of both peers.
    var checked: (any CheckedStage)? { nil }

    // MARK: The end

    /// Ends the client's connection. There is no other way to end it.
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

/// A stage whose peers are checked every `PeerLiveness.checkInterval`.
protocol CheckedStage: Stage {
    /// - Returns: the side whose host is lost; `peerLost` follows then.
    func lostSide(at now: MonotonicTime) -> Side?
    func peerLost(_ side: Side)

    /// - Returns: whether the client is gone, which no event has shown; `clientLeft` follows then.
    func isClientGoneUnseen() -> Bool
    func clientLeft(_ kind: DropKind)
}

// MARK: - Acquired resources

extension Stage {
    final func identify(_ message: StartupMessage) { login = Login(user: message.user, database: message.database) }

    /// - Returns: whether `max_sessions` allows another session.
    final func acquirePlace() -> Bool {
        hasPlace = hasPlace || worker.environment.sessionQuota.tryAcquire()
        return hasPlace
    }

    /// Another session may begin.
    final func releasePlace() {
        if hasPlace { worker.environment.sessionQuota.release() }
        hasPlace = false
    }

    /// Adds the session to the directory for clients' own cancels, and to the record of sessions.
    final func register(_ key: CancelKey, _ route: CancelRoute, on server: any StreamSocket) {
        worker.environment.keys.enter(key, route)
        worker.environment.record?.enter(key, from: server.localAddress, to: route.address.address)
        isRegistered = true
    }

    /// The last state of `noteBusy`.
    final var isBusy: Bool { busySince != nil }

    /// Updates the gauge and the start time of the running query.
    @inline(__always) final func noteBusy(_ isBusy: Bool) {
        if isBusy != self.isBusy { setBusy(isBusy) }
    }

    private final func setBusy(_ isBusy: Bool) {
        worker.counters.sessionsBusy.add(isBusy ? 1 : -1)
        busySince = isBusy ? worker.now : nil
    }

    private final func releaseAll() {
        noteBusy(false)
        releasePlace()
        if isRegistered, let cancelKey = backend.cancelKey {
            worker.environment.keys.leave(cancelKey)
            worker.environment.record?.leave(cancelKey)
        }
        worker.counters.sessionsActive.add(-1)
    }
}

// MARK: - Log and report

extension Stage {
    /// The metadata of the session, which every log line about it has, and `more`.
    final func logMetadata(_ more: Logger.Metadata) -> Logger.Metadata { logMetadata.merging(more) { $1 } }

    final var logMetadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["client": "\(clientAddress)"]
        let backend = backend
        if let login {
            metadata["user"] = "\(login.user)"
            metadata["database"] = "\(login.database)"
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

    /// The server has accepted the login.
    final func loggedIn() {
        if let login { worker.environment.logins?.loggedIn(login) }
        guard worker.environment.configuration.logsConnections else { return }
        let metadata = logMetadata(["ssl": "\(encryption.rawValue)"])
        worker.environment.log.info("connection authorized", metadata: metadata)
    }

    /// The time since which requests are outstanding; nil when there are none.
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
            client: clientAddress,
            user: login?.user ?? "",
            database: login?.database ?? "",
            applicationName: backend.applicationName,
            processID: backend.cancelKey?.processID,
            state: name,
            isLoggedIn: isLoggedIn,
            encryption: encryption,
            age: now.since(openedAt),
            queryAge: queryAge(at: now)
        )
    }
}

extension DropKind {
    /// The way in which a connection ended for which the kernel holds this error, or none.
    init(_ error: SystemError?) {
        self = error.map { $0.isTimeout ? .timeout : .reset } ?? .fin
    }
}

extension SessionSnapshot.Encryption {
    init(ofClient client: any StreamSocket, ofServer server: (any StreamSocket)?) {
        self.init(ofClient: client.encryptedPeerName != nil, ofServer: server?.encryptedPeerName != nil)
    }
}

/// The server process of a session.
struct Backend {
    var cancelKey: CancelKey?
    var address: SocketAddress?
    /// The name that the server reported last, or else the client's.
    var applicationName = ""
}

/// The one timer of a stage.
struct StageTimer {
    private var timer: (any ScheduledTimer)?

    /// Arms the timer, in place of an earlier one.
    mutating func set(_ loop: any EventLoop, after delay: Duration, _ body: @escaping () -> Void) {
        timer?.cancel()
        timer = loop.schedule(after: delay, body)
    }

    mutating func cancel() {
        timer?.cancel()
        timer = nil
    }
}
