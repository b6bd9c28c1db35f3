// One real worker and one real dispatcher in a simulated world, with the actions of a client and a server.

import CancelPolicy
import Logging
import PostgresProtocol
import Proxy
import Reactor
import Settings
import Telemetry
import Upstream

/// A worker with its dispatcher on one simulated loop.
package final class SimulatedSession {
    package static let server = SocketAddress.ipv4(0x7f00_0001, port: 5432)

    package let loop: SimulatedLoop
    package let counters = Counters()
    package let load = Quota()
    package let sessionQuota: Quota
    package let worker: Worker
    package let dispatcher: CancelDispatcher

    /// - Parameters:
    ///   - upstream: the addresses that the server's name resolves to.
    ///   - listeners: the addresses that pgleash itself listens on.
    package init(
        _ configuration: Configuration = Configuration(),
        upstream: Upstream = .addresses([HostAddress(server, foundBy: "")]),
        receiveBufferSize: Int = 4096,
        listeners: [SocketAddress] = [],
        log: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) throws {
        loop = SimulatedLoop(receiveBufferSize: receiveBufferSize)
        let orders = Mailbox<DispatcherMessage>()
        let messages = Mailbox<WorkerMessage>()
        sessionQuota = Quota(configuration.listen.maxSessions)
        let environment = WorkerEnvironment(
            configuration: configuration,
            upstream: upstream,
            ownAddresses: OwnAddresses(listeners),
            security: .none,
            sessionQuota: sessionQuota,
            dispatcher: orders,
            log: log
        )
        let counters = counters
        let worker = try Worker(
            loop: loop, mailbox: messages, counters: counters, load: load, environment: environment
        )
        let dispatcher = CancelDispatcher(
            loop: loop, limits: configuration.cancel, security: .none, counters: counters, log: log
        )
        self.worker = worker
        self.dispatcher = dispatcher
        try messages.open(on: loop) { worker.receive($0) }
        try orders.open(on: loop) { dispatcher.receive($0) }
    }

    /// A client connects; its socket is the last of `loop.adopted`.
    @discardableResult
    package func accept() -> SimulatedSocket {
        load.acquire()
        worker.receive(.client(AcceptedSocket(descriptor: -1, peer: .unix(path: ""))))
        return loop.adopted[loop.adopted.count - 1]
    }

    /// A client connects and logs in; the server is idle then.
    package func logIn() -> (client: SimulatedSocket, server: SimulatedSocket) {
        let client = accept()
        client.inbox += Bytes.startup
        loop.settle()
        let server = loop.connections[loop.connections.count - 1]
        server.inbox += Bytes.login
        loop.settle()
        _ = client.takeOutbox()
        _ = server.takeOutbox()
        return (client, server)
    }

    /// The connections made after the session's own.
    package var cancels: [SimulatedSocket] { Array(loop.connections.dropFirst()) }

    /// A client in a session sends a query and leaves.
    package func leaveInQuery() -> (client: SimulatedSocket, server: SimulatedSocket) {
        let (client, server) = logIn()
        client.inbox += Bytes.query
        loop.settle()
        client.isEnded = true
        loop.settle()
        return (client, server)
    }

    package func ended(_ reason: EndReason) -> Int64 { counters.sessionsEnded[reason].value }

    package func outcomes(_ outcome: Outcome) -> Int64 { counters.orphans[outcome].value }

    /// All sessions have ended, and the counters agree: each session has one reason, each drop one outcome.
    package var isOverAndBalanced: Bool {
        let ends = EndReason.allCases.map { ended($0) }.reduce(0, +)
        let drops = DropKind.allCases.map { counters.drops[$0].value }.reduce(0, +)
        let reaped = Outcome.allCases.map { outcomes($0) }.reduce(0, +)
        let gauges = [counters.sessionsActive, counters.sessionsBusy, counters.orphansActive]
        return ends == counters.sessionsOpened.value && drops == reaped && gauges.allSatisfy { $0.value == 0 }
    }
}
