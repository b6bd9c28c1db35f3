// A connection of the monitor whose events the test chooses.

import LibPQ
import Reactor

@testable import CancelPolicy
@testable import Upstream

/// A connection that the test controls.
final class ScriptedConnection: MonitorConnection {
    let localAddress: SocketAddress? = .ipv4(0x7f00_0001, port: 4000)
    let report: (PQConnection.Event) -> Void
    private(set) var statements: [[String]] = []
    private(set) var isClosed = false

    init(_ report: @escaping (PQConnection.Event) -> Void) { self.report = report }

    func start() {}
    func run(_ statement: PQStatement, _ parameters: [String]) { statements.append(parameters) }
    func close() { isClosed = true }

    /// The login, with the right roles unless others are given.
    func logIn(canSignal: Bool = true, address: String? = "127.0.0.1", port: String? = "4000") {
        report(.opened)
        report(.rows([]))
        report(.rows([["pgleash", "f", canSignal ? "t" : "f", "t", address, port, "15.18"]]))
        if canSignal, port == "4000" { report(.rows([])) }
    }
}

extension Locked<[Int: Reaper.CancelResult]> {
    subscript(number: Int) -> Reaper.CancelResult? {
        get { withLock { $0[number] } }
        set { withLock { $0[number] = newValue } }
    }
}

/// A value that a closure captures, all on one thread.
struct Shared<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
