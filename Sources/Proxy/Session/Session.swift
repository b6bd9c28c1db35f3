// One client and its server: what they are, which stage they are at, and the one way they end. What happens at each
// stage is in SessionStartup, SessionRelay, SessionReaping and SessionClosing.

import CancelPolicy
import Logging
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// Tells sessions of one worker apart, also from those that are no more.
package typealias SessionID = UInt64

/// One client's connection, from its accept on.
final class Session: SocketOwner {
    enum Stage {
        /// Waiting for the client's first packet.
        case startup(StartupReader)
        /// The client and we agree on keys, its first packet follows under them.
        case encrypting
        /// Waiting for the server's address or for a connection to it; the StartupMessage waits here.
        case connecting(ServerConnector?, startupPacket: [UInt8])
        /// The client is a CancelRequest with the key of no session; the server's addresses are looked up.
        case findingCancelServer(CancelKey)
        /// The client is a CancelRequest: so many cancels are on their way, and at least one was sent.
        case relayingCancel(underWay: Int, isSent: Bool)
        case relaying
        /// The client is gone and the server still owes it something.
        case reaping(since: MonotonicTime)
        /// The server is gone or was never there; the client gets its last bytes and time to read them.
        case closing(EndReason)
        case ended
    }

    /// What becomes of the key in the directory.
    enum KeyListing {
        /// There is no server yet, or it gives no key.
        case none
        /// It will be there once the server has told it.
        case awaited
        case listed
    }

    let id: SessionID
    /// A strong reference, as that costs less than to check an unowned one each time; `end` breaks the cycle.
    let worker: Worker
    var client: any StreamSocket
    let clientAddress: SocketAddress
    let openedAt: MonotonicTime

    var stage = Stage.startup(StartupReader())
    var server: (any StreamSocket)?
    var identity: StartupMessage?
    var conversation = Conversation()
    /// What is to be done about channel binding, until the login is through.
    var channelBinding: ChannelBinding?
    /// Since when the server owes something.
    var busySince: MonotonicTime?
    // The small ones stand together: there may be very many sessions.
    /// By what the interests of the sockets were set last.
    var flow: Conversation.Flow?
    var hasPlace = false
    /// Whether clients' own cancels find the way of this session's server by its key.
    var listing = KeyListing.none
    /// The client's first byte has come.
    var hasSpoken = false
    /// The client is gone, and waits until others that went with it are seen to.
    var hasClientLeft = false
    var sslAnswered = false
    var gssAnswered = false
    var readAhead = ReadAhead()
    /// Whether the hosts of the peers answer, while the session is busy.
    var silences: [Side: SilenceWatch] = [:]
    /// The one thing this session waits for in time: which one, the stage tells.
    var timer: (any ScheduledTimer)?
    /// The way of the session's connection to the server, which its cancels take, too.
    var cancelRoute: CancelRoute?
    var cancelOrder: CancelOrder?

    init(id: SessionID, worker: Worker, client accepted: AcceptedSocket) {
        self.id = id
        self.worker = worker
        clientAddress = accepted.peer
        openedAt = worker.loop.now
        client = worker.loop.adopt(accepted)
        client.owner = self
        worker.counters.sessionsOpened.add()
        worker.counters.sessionsActive.add()
    }

    /// Begins to listen to the client, and takes what it has said already; the session may have ended behind this.
    func start() {
        setTimer(after: worker.configuration.listen.authenticationTimeout) { session in
            let awaited = if case .encrypting = session.stage { "TLS handshake" } else { "start-up packet" }
            session.worker.logThrottled(.info, "no \(awaited) in time", session.logMetadata)
            session.end(.authenticationTimeout)
        }
        client.interest = .read
        // It's the client that speaks first, and most often it has.
        readStartup()
    }

    func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        let side: Side = socket === client ? .client : .server
        switch stage {
        case .relaying: relay(side, socket, readiness)
        case .startup: readStartup()
        case .connecting, .findingCancelServer, .relayingCancel: clientLeftEarly()
        case .reaping: reap(readiness)
        case .closing(let reason): closeFurther(reason, readiness)
        case .encrypting, .ended: break
        }
    }

    /// Ends the session: the only way it does. Nothing of it may be touched behind this.
    func end(_ reason: EndReason) {
        if case .ended = stage { return }
        stage = .ended
        timer?.cancel()
        timer = nil
        // One that is written goes on; nobody waits for it any more.
        _ = cancelOrder?.withdraw()
        client.close()
        server?.close()
        conversation.toServer.discard()
        endReadAhead()
        noteBusy(false)
        if hasPlace { worker.limit.leave() }
        if listing == .listed, let key = conversation.state.tracker.cancelKey { worker.keys.leave(key) }
        worker.counters.sessionsActive.add(-1)
        worker.counters.sessionsEnded[reason].add()
        worker.log.debug("session ended", metadata: logMetadata.merging(["reason": "\(reason.rawValue)"]) { $1 })
        worker.forget(self)
    }

    /// Arms the session's timer, in place of what it waited for.
    func setTimer(after delay: Duration, _ body: @escaping (Session) -> Void) {
        timer?.cancel()
        timer = worker.loop.schedule(after: delay) { [unowned self] in body(self) }
    }

    /// Keeps the gauge and the start of the running query in step with what is owed.
    func noteBusy(_ isBusy: Bool) {
        guard isBusy != (busySince != nil) else { return }
        busySince = isBusy ? worker.now : nil
        worker.counters.sessionsBusy.add(isBusy ? 1 : -1)
    }
}

// MARK: - For the log and the report

extension Session {
    /// Who this is, as every log line about a session has it. Quoted, as users choose their names.
    var logMetadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["client": "\(clientAddress)"]
        if let identity {
            metadata["user"] = "\(identity.user.debugDescription)"
            metadata["database"] = "\(identity.database.debugDescription)"
            metadata["application_name"] = "\(identity.applicationName.debugDescription)"
        }
        if let key = conversation.state.tracker.cancelKey { metadata["pid"] = "\(key.processID)" }
        return metadata
    }

    func snapshot(at now: MonotonicTime) -> SessionSnapshot {
        SessionSnapshot(
            client: "\(clientAddress)",
            user: identity?.user ?? "",
            database: identity?.database ?? "",
            applicationName: identity?.applicationName ?? "",
            processID: conversation.state.tracker.cancelKey?.processID,
            state: stateName,
            encryption: .init(
                ofClient: client.encryptedPeerName != nil, ofServer: server?.encryptedPeerName != nil
            ),
            age: now.since(openedAt),
            queryAge: busySince.map { now.since($0) }
        )
    }

    /// In the words of `pg_stat_activity.state` where it has one.
    private var stateName: String {
        switch stage {
        case .startup, .encrypting: "startup"
        case .connecting: "connecting"
        case .findingCancelServer, .relayingCancel: "relaying cancel"
        case .relaying where conversation.state.tracker.owed.isStartingUp: "authenticating"
        case .relaying where conversation.state.tracker.isBusy: "active"
        case .relaying: conversation.state.tracker.isInTransaction ? "idle in transaction" : "idle"
        case .reaping: "reaping"
        case .closing, .ended: "closing"
        }
    }
}
