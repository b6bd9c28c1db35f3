// A client's own cancel, which pgleash relays and counts separately from its own.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A client's own cancel` {
        private let postgres = PrivatePostgres.shared

        private func expectOneRelayed(_ pgleash: PgleashProcess) throws {
            let report = try pgleash.waitForReport("the cancel") { $0["sessions_ended_total", "cancel_relayed"] == 1 }
            #expect(report["client_cancels_relayed_total"] == 1)
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report.sum("drops_total") == 0)
        }

        @Test func `by libpq's PQcancel ends the query, and the session lives on`() throws {
            let pgleash = try PgleashProcess()
            let client = try LibpqClient(port: pgleash.port, name: "cancelling")
            try client.expectCancel(in: postgres, name: "cancelling")
            try expectOneRelayed(pgleash)
            pgleash.stop()
        }

        @Test func `goes to the one of several servers that has the session`() throws {
            // The server of the first host starts only after the session has connected to the second.
            let pgleash = try PgleashProcess(server: "127.0.0.2,127.0.0.1:\(postgres.port)")
            let client = try pgleash.connectBusy(name: "elsewhere")
            let other = try FakeServer(besides: postgres.port)
            defer { withExtendedLifetime(other) {} }
            let cancel = try RawClient(port: pgleash.port)
            try cancel.send(Frontend.cancelRequest(client.key))
            #expect(try cancel.readToEnd() == [])
            let answer = try client.read(until: BackendKind.readyForQuery)
            #expect(answer.first { $0.kind == BackendKind.errorResponse }?.field("C") == "57014")
            pgleash.stop()
        }

        @Test func `is delivered when its client doesn't wait, and does nothing with a wrong key`() throws {
            let pgleash = try PgleashProcess()
            let client = try pgleash.connectBusy(name: "cancelled")
            let wrong = try RawClient(port: pgleash.port)
            try wrong.send(Frontend.cancelRequest(client.key.dropLast() + [~(client.key.last ?? 0)]))
            #expect(try wrong.readToEnd() == [])
            #expect(try postgres.backends("cancelled", state: "active") == 1)

            let hasty = try RawClient(port: pgleash.port)
            try hasty.send(Frontend.cancelRequest(client.key))
            hasty.close()
            let answer = try client.read(until: BackendKind.readyForQuery)
            #expect(answer.first { $0.kind == BackendKind.errorResponse }?.field("C") == "57014")
            let report = try pgleash.waitForReport("two cancels") { $0["client_cancels_relayed_total"] == 2 }
            #expect(report.sum("cancels_sent_total") == 0)
            pgleash.stop()
        }
    }
}
