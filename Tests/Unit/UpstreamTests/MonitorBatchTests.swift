// The parameters of the monitor's statement.

import Reactor
import Testing

@testable import PostgresProtocol
@testable import Settings
@testable import Upstream

@Suite struct `The monitor's statement` {
    private let opened = MonotonicTime.now

    private func order(_ number: UInt16) -> CancelOrder {
        let route = CancelRoute(to: HostAddress(.ipv4(0x7f00_0001, port: 5432), foundBy: "db"), .plain)
        let backend = BackendIdentity(processID: nil, local: .ipv4(0x7f00_0001, port: 5000 + number), openedAt: opened)
        return CancelOrder(
            .orphan, route, key: nil, backend: backend, signal: .terminateIfActive, dispatcher: Mailbox()
        ) { _ in }
    }

    @Test func `has address, port and age where the process is not known, and the names that are excluded`() {
        let exclusion = Exclusion(
            users: [Identifier("etl"), Identifier("a\"b\\c")], databases: [Identifier("archive")],
            applicationNames: [Identifier("ä, b")]
        )
        let orders = (1...4).map { order($0) }
        let batch = MonitorBatch(orders, excluding: exclusion, at: opened.advanced(by: .milliseconds(1500))) {
            $0.numericHost
        }
        #expect(batch.parameters[1] == "{NULL,NULL,NULL,NULL}" && batch.parameters[3] == "{5001,5002,5003,5004}")
        #expect(batch.parameters[4...5] == ["{t,t,t,t}", "{t,t,t,t}"])
        #expect(batch.parameters[9] == "{1.5,1.5,1.5,1.5}")
        #expect(batch.parameters[6...8] == [#"{"a\"b\\c","etl"}"#, #"{"archive"}"#, #"{"ä, b"}"#])
    }
}
