// Sessions in every state across a network that fails: with clients on another host, and with a server on one.

import Foundation
import PostgresProtocol
import TestSupport

/// Two pgleash processes, a namespace as the other host, and a session for each state and direction.
final class OutageRig {
    let isOldKernel: Bool
    private let namespace: NetworkNamespace
    private let towardsClients: PgleashProcess
    private let towardsServer: PgleashProcess
    private let server: FakeServer
    private(set) var streams: [OutageStream] = []

    /// - Parameters:
    ///   - keys: of the configuration's two sections with keepalive's settings.
    ///   - link: the link between the two hosts.
    init(isOldKernel: Bool, keys: [String] = [], link: NetworkNamespace.Link = .direct) throws {
        self.isOldKernel = isOldKernel
        namespace = try NetworkNamespace(link: link)
        let launcher = isOldKernel ? try OldKernel.launcher() : []
        let configuration = ["listen": keys, "server": keys]
        towardsClients = try PgleashProcess(
            server: PrivatePostgres.shared.address, listen: "\(namespace.hostAddress):PORT",
            configuration: configuration, launcher: launcher)
        server = try FakeServer(in: namespace)
        towardsServer = try PgleashProcess(
            server: "\(NetworkNamespace.text(namespace.ownAddress)):\(server.port)", configuration: configuration,
            launcher: launcher)
        try server.acceptProbe()
    }

    /// Starts one session in each state.
    ///
    /// - Parameter seconds: the minimum duration of the statements.
    func start(seconds: Int) throws {
        let rows = "select g, repeat('x', 8000), pg_sleep(0.05) from generate_series(1, \(seconds * 20)) g"
        try startClient("rows to the client", rows, reads: true)
        try startClient("a client that reads nothing", "select repeat('x', 8000) from generate_series(1, 4000)")
        try startClient("a client that waits", "select pg_sleep(\(seconds))", reads: true)
        try startServer("rows to the server", sends: .now, reads: true)
        try startServer("a server that reads nothing", sends: .atOnce)
        try startServer("a server that is silent", sends: .never, reads: true)
    }

    private func startClient(_ name: String, _ statement: String, reads: Bool = false) throws {
        let client = try namespace.connect(port: towardsClients.port)
        try client.startUp(name: "outage")
        try client.send(Frontend.query(statement))
        streams.append(OutageStream(name, from: nil, to: client, reads: reads))
    }

    private func startServer(_ name: String, sends: OutageStream.Sending, reads: Bool = false) throws {
        let client = try RawClient(port: towardsServer.port)
        try client.send(Frontend.startup(name: "outage"))
        let backend = try server.acceptSession()
        try client.read(until: BackendKind.readyForQuery)
        try client.send(Frontend.query("copy t from stdin"))
        streams.append(OutageStream(name, from: client, to: backend, sends: sends, reads: reads))
    }

    func die() throws { try namespace.die() }
    func revive() throws { try namespace.revive() }

    /// Sends and reads a few bytes in each session.
    func pass() { for stream in streams { stream.pass() } }

    /// The log lines about hosts that count as lost.
    var lost: [String] {
        towardsClients.logLines("drop=timeout") + towardsServer.logLines("server host unreachable")
    }
}

/// The bytes of one session: from a client of the test to a server of the test, or from a real server to a client.
final class OutageStream {
    enum Sending { case now, atOnce, never }

    let name: String
    private let source: RawClient?
    private let sink: RawClient
    private let sends: Sending
    private let reads: Bool
    private var sent = 0
    private var received = 0
    private var tail: [UInt8] = []
    private(set) var hasEnded = false
    private static let piece = Frontend.copyData(String(repeating: "y", count: 2000))
    /// More than all buffers on the way to a server that reads nothing take.
    private static let flood = {
        var bytes: [UInt8] = []
        for _ in 0..<16_000 { bytes += piece }
        return bytes
    }()

    init(_ name: String, from source: RawClient?, to sink: RawClient, sends: Sending = .never, reads: Bool) {
        (self.name, self.source, self.sink, self.sends, self.reads) = (name, source, sink, sends, reads)
        guard sends == .atOnce, let source else { return }
        sent = source.sendWhatFits(Self.flood[...], within: 300)
    }

    func pass() {
        if sends == .now, let source { sent += source.sendWhatFits(Self.piece[...], within: 0) }
        if reads { receive() }
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !hasEnded {
            let count = unsafe recv(sink.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { return hasEnded = true }
            received += count
            tail = (tail + buffer[max(0, count - 8)..<count]).suffix(8)
        }
    }

    /// Waits until all sent bytes have arrived: every byte at a server of the test, and up to the end of the statement
    /// at a client.
    func isFinished(within time: Duration) -> Bool {
        let end = ContinuousClock.now + time
        while !isWhole, !hasEnded, ContinuousClock.now < end { usleep(20_000) }
        return isWhole && !hasEnded
    }

    private var isWhole: Bool {
        receive()
        guard let source else { return tail.suffix(6) == message("Z", [UInt8(ascii: "I")])[...] }
        return sent + Frontend.query("copy t from stdin").count == received && source.descriptor >= 0
    }
}
