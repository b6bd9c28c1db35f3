// A thousand clients that connect and leave in every way; nothing may remain of them.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite(.tags(.toleratesStrayCancels)) struct `A thousand clients` {
        private let postgres = PrivatePostgres.shared

        @Test func `leave no descriptor, no backend and no memory behind`() throws {
            let pgleash = try PgleashProcess()
            try churn(pgleash, rounds: 300)
            try pgleash.waitForProbe()
            let (descriptors, memory) = (pgleash.descriptors, pgleash.memory("VmRSS"))
            let time = try timed { try churn(pgleash, rounds: 1000) }
            let (descriptorsAfter, memoryAfter) = (pgleash.descriptors, pgleash.memory("VmRSS"))
            print("a thousand clients: \([time].summary); VmRSS \(memory) KiB, then \(memoryAfter) KiB")
            #expect(descriptorsAfter == descriptors)
            if !Programs.areSanitized { #expect(memoryAfter - memory < 1024) }
            #expect(try pgleash.report()["sessions_opened_total"] == 1300)
            pgleash.stop()
        }

        /// Clients of ten kinds in turn; returns when all have left, also on the server.
        private func churn(_ pgleash: PgleashProcess, rounds: Int) throws {
            let opened = try pgleash.report()["sessions_opened_total"]
            var staying: [RawClient] = []
            for round in 0..<rounds {
                let client = try RawClient(port: pgleash.port)
                try visit(client, kind: round % 10)
                // Some stay for a while, so that the order of the ends differs from that of the beginnings.
                if round.isMultiple(of: 7) { staying.append(client) }
                if staying.count > 10 { staying.removeAll() }
            }
            staying.removeAll()
            try pgleash.waitForReport("no session") {
                $0["sessions_active"] == 0 && $0["sessions_opened_total"] == opened + rounds
            }
            try wait(for: "the end of all backends") { try postgres.backends("churn") == 0 }
        }

        private func visit(_ client: RawClient, kind: Int) throws {
            // 0 leaves without a byte, 1 in the middle of its first message.
            if kind == 0 { return client.reset() }
            if kind == 1 { return try client.send(Array(Frontend.startup(name: "churn").prefix(20))) }
            if kind == 2 { return try client.send(Frontend.startup(name: "churn")) }
            if kind == 3 { try client.send(Frontend.sslRequest) }
            if kind == 3 { #expect(try client.readBytes(1) == [UInt8(ascii: "N")]) }
            try client.startUp(name: "churn")
            switch kind {
            case 4: try client.send(Frontend.query("SELECT pg_sleep(60)"))
            case 5:
                try client.send(Frontend.extended("SELECT pg_sleep(60)") + Frontend.flush)
                client.reset()
            case 6: try client.send(Frontend.query("SELECT repeat('x', 100000)"))
            case 7: try client.send(Frontend.terminate)
            case 8: client.reset()
            default:
                try client.send(Frontend.query("SELECT 1"))
                try client.read(until: BackendKind.readyForQuery)
            }
        }
    }
}
