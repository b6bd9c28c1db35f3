// The fake server's side of the monitor: a login with or without the rights, signals that arrive soon, late or never,
// and a connection that breaks at any step.

import LibPQ
import Reactor
import Upstream

/// A connection of the monitor.
final class FakeMonitor: Actor, MonitorConnection {
    private enum Task {
        case login
        case secure
        case identify
        case signal([[String]])
    }

    /// So many connections of a world fail, or lack rights, at most: a monitor connects again without end.
    private static let mostFailures = 4

    let localAddress: SocketAddress? = .ipv4(0x7f00_0001, port: 39_999)
    private let report: (PQConnection.Event) -> Void
    private var task: Task?
    private var startedAt = 0
    private var isClosed = false
    private var isSecured = false

    init(_ world: World, _ report: @escaping (PQConnection.Event) -> Void) {
        self.report = report
        super.init(world)
        world.join(self)
    }

    func start() { begin(.login) }

    func run(_ statement: PQStatement, _ parameters: [String]) {
        if !parameters.isEmpty { return begin(.signal(parameters.map(Self.elements))) }
        begin(isSecured ? .identify : .secure)
        isSecured = true
    }

    func close() { isClosed = true }

    private static func elements(_ array: String) -> [String] {
        array.dropFirst().dropLast().split(separator: ",").map(String.init)
    }

    private func begin(_ task: Task) {
        (self.task, startedAt) = (task, world.steps)
        // Some statements take longer than the monitor waits for them.
        let isSlow = world.chance.mishap(12)
        wakeAt = world.now + world.chance.latency() + (isSlow ? UInt64(world.chance.below(200)) * 1_000_000 : 0)
    }

    override func step() {
        guard let task else { return }
        self.task = nil
        let isLost = mayFail && world.chance.mishap(8)
        // The server may carry out a statement whose connection breaks, or which pgleash awaits no more.
        let isCarriedOut = !isLost || world.chance.oneIn(2)
        let rows = isCarriedOut ? carryOut(task) : []
        guard !isClosed else { return }
        if isLost {
            world.facts.monitorFailures += 1
            return report(.lost(reason: "", isRefusal: world.chance.oneIn(4)))
        }
        if case .login = task { return report(.opened) }
        if mayFail, world.chance.mishap(16) {
            world.facts.monitorFailures += 1
            return report(.failed("canceling statement due to user request"))
        }
        report(.rows(rows))
    }

    private var mayFail: Bool { world.facts.monitorFailures < Self.mostFailures }

    private func carryOut(_ task: Task) -> [[String?]] {
        switch task {
        case .login, .secure: return []
        case .identify:
            let hasRights = !mayFail || !world.chance.mishap(8)
            if !hasRights { world.facts.monitorFailures += 1 }
            return [["pgleash", "f", hasRights ? "t" : "f", "t", "127.0.0.1", "39999", "15.18"]]
        case .signal(let columns): return signal(columns)
        }
    }

    // MARK: - Signals

    private func signal(_ columns: [[String]]) -> [[String?]] {
        columns[0].indices.compactMap { index in
            let port = UInt16(columns[3][index])
            guard !world.hasPooler, let target = world.server.backends.first(where: { $0.hasLocalPort(port) }),
                columns[1][index] == "NULL" || columns[1][index] == "\(target.processID)"
            else { return nil }
            return [columns[0][index], signal(target, ends: columns[4][index] == "t")]
        }
    }

    private func signal(_ target: FakeBackend, ends: Bool) -> String {
        if target.isCommitting { return "left alone" }
        if target.client?.number == 3 { return "refused" }
        world.trace("the monitor signals backend \(target.number)\(ends ? ": end" : "")")
        world.facts.noteSignal(target, sentAt: startedAt)
        ends ? target.terminate() : target.interrupt()
        return "true"
    }
}

extension FakeBackend {
    var processID: UInt32 { key.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }

    /// The connection is that of a process that runs, and pgleash's port is this one.
    func hasLocalPort(_ port: UInt16?) -> Bool {
        !hasExited && socket.localAddress?.port == port
    }

    /// It waits for its standby.
    var isCommitting: Bool { if case .commit = work.first { true } else { false } }
}
