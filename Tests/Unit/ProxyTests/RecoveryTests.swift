// The recovery of what an earlier process left: which backends the monitor is asked about, and for how long.

import CancelPolicy
import Foundation
import InMemoryLogging
import Logging
import Simulation
import Telemetry
import Testing

@testable import Proxy
@testable import Reactor
@testable import Settings
@testable import Upstream

@Suite struct `What an earlier process left` {
    private static let server = SocketAddress.ipv4(0x0a00_0001, port: 5432)

    private let loop = SimulatedLoop()
    private let counters = Counters()
    private let logged = InMemoryLogHandler()
    private let monitors = Monitors { _, _, _ in }
    private let dispatcher = Mailbox<DispatcherMessage>()
    private let orders = Locked<[CancelOrder]>([])
    private let path = FileManager.default.temporaryDirectory.appending(path: "pgleash-\(UUID().uuidString)").path

    /// A recovery of sessions with these process IDs.
    private func recovery(of processIDs: UInt32...) throws -> Recovery {
        do {
            let earlier = try SlotFile(path: path, title: SessionRecord.title)
            for (index, processID) in processIDs.enumerated() {
                let local = SocketAddress.ipv4(0x0a00_0007, port: UInt16(40_000 + index))
                let session = RecordedSession(processID: processID, local: local, server: Self.server)
                earlier.write(session.text, at: index)
            }
        }
        try dispatcher.open(on: loop) { [orders] message in
            if case .order(let order) = message { orders.withLock { $0.append(order) } }
        }
        monitors.open([HostAddress(Self.server, foundBy: "db")])
        let recovery = Recovery(
            try SessionRecord(path: path), monitors, Configuration.Cancel(), on: loop, dispatcher, counters,
            log: Logger(label: "") { [logged] _ in logged }
        )
        try recovery.begin()
        return recovery
    }

    /// The file is locked as long as there is a record of it.
    private func remove(_ recovery: Recovery) { try? FileManager.default.removeItem(atPath: path) }

    private func conclude(_ results: Reaper.CancelResult...) {
        let orders = self.orders.withLock { orders in
            defer { orders = [] }
            return orders
        }
        #expect(orders.count == results.count)
        for (order, result) in zip(orders, results) { order.conclude(result) }
        loop.settle()
    }

    private var recordedCount: Int {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").count { $0.contains(".") }
    }

    @Test func `is ended by process, address and port once the monitor is connected, until it is gone`() throws {
        let recovery = try recovery(of: 7, 8)
        loop.advance(by: .milliseconds(100))
        #expect(orders.withLock { $0.isEmpty } && recordedCount == 2, "there is no monitor yet")
        monitors.set(true, at: Self.server)
        loop.advance(by: .milliseconds(100))
        let asked = orders.withLock { $0 }
        #expect(asked.map { $0.backend?.processID } == [7, 8])
        #expect(asked.map { $0.backend?.local.port } == [40_000, 40_001])
        #expect(asked.allSatisfy { $0.signal == .terminateIfActive && $0.destination == Self.server })
        conclude(.sent, .notRunning)
        #expect(recordedCount == 1, "one had ended")
        loop.advance(by: .milliseconds(249))
        #expect(orders.withLock { $0.isEmpty }, "it has time to exit")
        loop.advance(by: .milliseconds(10))
        conclude(.notRunning)
        #expect(counters.recoveredOrphans[.terminated].value == 1 && recordedCount == 0)
        #expect(logged.entries.map(\.message.description) == ["orphan of an earlier pgleash"])
        remove(recovery)
    }

    @Test func `is left alone where it is excluded`() throws {
        let recovery = try recovery(of: 7)
        monitors.set(true, at: Self.server)
        loop.advance(by: .milliseconds(100))
        conclude(.excluded)
        #expect(counters.recoveredOrphans[.excluded].value == 1 && recordedCount == 0)
        remove(recovery)
    }

    @Test func `is reported in one line where no monitor can look`() throws {
        let recovery = try recovery(of: 7, 8, 9)
        loop.advance(by: .seconds(31))
        #expect(logged.entries.map { "\($0.metadata["sessions"] ?? "")" } == ["3"])
        #expect(recordedCount == 0 && Outcome.allCases.allSatisfy { counters.recoveredOrphans[$0].value == 0 })
        remove(recovery)
    }
}
