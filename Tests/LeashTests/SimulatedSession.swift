// One real worker and one real dispatcher in a simulated world, with the moves a client and a server can make.

import Logging
import PostgresWire
import Reactor

@testable import Leash

/// A worker with its dispatcher on one simulated loop.
final class SimulatedSession {
    static let server = SocketAddress.ipv4(0x7f00_0001, port: 5432)

    let loop: SimulatedLoop
    let counters = Counters()
    let load = WorkerLoad()
    let worker: Worker
    let dispatcher: CancelDispatcher

    init(_ configuration: Configuration = Configuration(), receiveBufferSize: Int = 4096) throws {
        loop = SimulatedLoop(receiveBufferSize: receiveBufferSize)
        let orders = Mailbox<CancelOrder>()
        let letters = Mailbox<WorkerLetter>()
        let environment = WorkerEnvironment(
            configuration: configuration,
            upstream: .addresses([Self.server]),
            limit: SessionLimit(configuration.listen.maxSessions),
            dispatcher: orders,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let counters = counters
        let worker = Worker(
            loop: loop, mailbox: letters, counters: counters, load: load, environment: environment
        )
        let dispatcher = CancelDispatcher(loop: loop, limits: configuration.cancel, counters: counters)
        self.worker = worker
        self.dispatcher = dispatcher
        try letters.open(on: loop) { worker.receive($0) }
        try orders.open(on: loop) { dispatcher.receive($0) }
    }

    /// A client connects; its socket is the last of `loop.adopted`.
    @discardableResult
    func accept() -> SimulatedSocket {
        load.enter()
        worker.receive(.client(AcceptedSocket(descriptor: -1, peer: .unix(path: ""))))
        return loop.adopted[loop.adopted.count - 1]
    }

    /// A client connects and logs in; the server is idle then.
    func logIn() -> (client: SimulatedSocket, server: SimulatedSocket) {
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

    /// The connections made since the session's own.
    var cancels: [SimulatedSocket] { Array(loop.connections.dropFirst()) }

    func ended(_ reason: EndReason) -> Int64 { counters.sessionsEnded[reason].value }

    func outcomes(_ outcome: Outcome) -> Int64 { counters.orphans[outcome].value }

    /// All sessions have ended, and the counters say so: each has one reason, each drop one outcome.
    var isOverAndBalanced: Bool {
        let ends = EndReason.allCases.map { ended($0) }.reduce(0, +)
        let drops = DropKind.allCases.map { counters.drops[$0].value }.reduce(0, +)
        let reaped = Outcome.allCases.map { outcomes($0) }.reduce(0, +)
        let gauges = [counters.sessionsActive, counters.sessionsBusy, counters.orphansActive]
        return ends == counters.sessionsOpened.value && drops == reaped && gauges.allSatisfy { $0.value == 0 }
    }
}

/// Bytes of both sides.
enum Bytes {
    static let startup: [UInt8] = {
        let body = [UInt8]([0, 3, 0, 0]) + Array("user\0app\0application_name\0test\0\0".utf8)
        return [0, 0, 0, UInt8(body.count + 4)] + body
    }()

    static let sslRequest: [UInt8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]
    static let gssRequest: [UInt8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]
    static let cancelRequest: [UInt8] = [0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e, 0, 0, 1, 0, 9, 9, 9, 9]

    static func message(_ kind: Character, _ body: [UInt8] = []) -> [UInt8] {
        Array(String(kind).utf8) + [0, 0, UInt8((body.count + 4) >> 8), UInt8((body.count + 4) & 255)] + body
    }

    static let query = message("Q", Array("SELECT 1\0".utf8))
    static let terminate = message("X")
    static let ready = message("Z", [UInt8(ascii: "I")])
    static let answer = message("C", Array("SELECT 1\0".utf8)) + ready
    static let login =
        message("R", [0, 0, 0, 0]) + message("K", [0, 0, 1, 0, 9, 9, 9, 9]) + ready
}
