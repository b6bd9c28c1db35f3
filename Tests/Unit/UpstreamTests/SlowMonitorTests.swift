// A monitor whose statement takes long: what it gives back at once, and what waits for the answer.

import LibPQ
import Logging
import Reactor
import Simulation
import Testing

@testable import CancelPolicy
@testable import PostgresProtocol
@testable import Settings
@testable import Upstream

@Suite struct `A slow monitor` {
    private static let server = HostAddress(.ipv4(0x7f00_0001, port: 5432), foundBy: "db")

    private final class Record {
        var connections: [ScriptedConnection] = []
        var verdicts: [MonitorVerdict] = []
        var isReady = false
    }

    /// A monitor that runs a statement with this signal for longer than it may.
    private func slowMonitor(_ signal: CancelOrder.Signal, _ body: (Record) throws -> Void) rethrows {
        let (loop, record) = (SimulatedLoop(), Record())
        let monitor = Monitor(
            Self.server, loop: loop, log: Logger(label: "") { _ in SwiftLogNoOpLogHandler() },
            connect: {
                record.connections.append(ScriptedConnection($1))
                return record.connections[record.connections.count - 1]
            },
            becameReady: { record.isReady = $0 },
            conclude: { record.verdicts.append($1) }
        )
        monitor.start()
        record.connections[0].logIn()
        let backend = BackendIdentity(processID: nil, local: .ipv4(0x7f00_0001, port: 5000))
        let route = CancelRoute(to: Self.server, .plain)
        monitor.take(
            CancelOrder(.orphan, route, key: nil, backend: backend, signal: signal, dispatcher: Mailbox()) { _ in }
        )
        loop.advance(by: Monitor.statementTime + .milliseconds(1))
        #expect(!record.isReady)
        try body(record)
    }

    @Test(arguments: [CancelOrder.Signal.cancel, .terminate])
    func `gives back what has another way, and counts what it signals late`(_ signal: CancelOrder.Signal) {
        slowMonitor(signal) { record in
            #expect(record.verdicts == [.notSignalled])
            record.connections[0].report(.rows([["0", "true"]]))
            #expect(record.verdicts == [.notSignalled, .signalledLate] && record.isReady)
        }
    }

    @Test(arguments: [("true", MonitorVerdict.signalled), ("not running", .notRunning), ("refused", .notSignalled)])
    func `keeps what has no other way until the server answers`(_ answer: String, _ verdict: MonitorVerdict) {
        slowMonitor(.terminateIfActive) { record in
            #expect(record.verdicts.isEmpty)
            record.connections[0].report(.rows([["0", answer]]))
            #expect(record.verdicts == [verdict] && record.isReady)
        }
    }

    @Test func `gives that back, too, when its connection is lost`() {
        slowMonitor(.terminateIfActive) { record in
            record.connections[0].report(.lost(reason: "gone", isRefusal: false))
            #expect(record.verdicts == [.notSignalled] && !record.isReady)
        }
    }
}
