// Sessions without an outstanding request, for which no cancel is sent: the server counts the cancels that it receives.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `No cancel is caused by` {
        private let postgres = PrivatePostgres.countingCancels

        /// The activity of a session before it ended idle.
        private static let pasts: [[UInt8]] = [
            [],
            Frontend.query("SELECT 1"),
            Frontend.extended("SELECT 1") + Frontend.sync,
            Frontend.query("SELECT 1/0"),
            Frontend.query("SET application_name = 'renamed'; SELECT 1"),
        ]

        /// Opens sessions on several threads; each reads its replies and leaves, in all ways in turn.
        private func visit(_ count: Int, through port: UInt16, pasts: [[UInt8]], readies: Int = 1) throws {
            let threads = 8
            try inParallel(threads) { thread in
                for number in stride(from: thread, to: count, by: threads) {
                    let client = try RawClient(port: port)
                    try client.startUp(name: "visitor")
                    let past = pasts[number / Farewell.allCases.count % pasts.count]
                    if !past.isEmpty {
                        try client.send(past)
                        for _ in 0..<readies { try client.read(until: BackendKind.readyForQuery) }
                    }
                    try client.leave(.inTurn(number))
                }
            }
        }

        @Test func `ten thousand sessions that end idle`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            let count = Programs.areSanitized ? 1_000 : 10_000
            try postgres.expectNoCancel(through: pgleash) {
                let time = try timed { try visit(count, through: pgleash.port, pasts: Self.pasts) }
                print("\(count) sessions ended idle: \([time].summary)")
            }
            let report = try pgleash.report()
            #expect(report["sessions_opened_total"] == count + 1)
            #expect(report["sessions_ended_total", "client_terminated"] >= count * 3 / 8)
            #expect(report["sessions_ended_total", "client_closed"] >= count / 4)
            #expect(report["sessions_ended_total", "client_reset"] >= count / 4)
            pgleash.stop()
        }

        @Test func `a thousand sessions that end idle in a transaction`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            try postgres.query("CREATE TABLE unfinished (n int)")
            let begin = Frontend.query("BEGIN; INSERT INTO unfinished VALUES (1)")
            let extended = Frontend.extended("BEGIN") + Frontend.extended("INSERT INTO unfinished VALUES (1)")
            let failed = Frontend.query("BEGIN; INSERT INTO unfinished VALUES (1); SELECT 1/0")
            try postgres.expectNoCancel(through: pgleash) {
                try visit(1_000, through: pgleash.port, pasts: [begin, extended + Frontend.sync, failed])
            }
            // The end of the session rolls back.
            #expect(try postgres.value("SELECT count(*) FROM unfinished") == "0")
            pgleash.stop()
        }

        @Test func `sessions that are idle again after errors in batches and copies`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            try postgres.query("CREATE TABLE copied (n int)")
            let copy = Frontend.query("COPY copied FROM STDIN")
            let (bad, good) = (Frontend.copyData("no number\n"), Frontend.copyData("1\n"))
            let failing = Frontend.extended("SELECT 1/0")
            let pasts = [
                // All messages after the error are skipped up to the Sync, a Query, too.
                failing + Frontend.query("SELECT 1") + Frontend.extended("SELECT 2") + Frontend.sync,
                Frontend.parse("syntax error") + Frontend.bind() + Frontend.execute() + Frontend.flush + Frontend.sync,
                Frontend.bind(statement: "unknown") + Frontend.sync,
                // Copies end by CopyDone, by CopyFail and by an error; copy messages after that are ignored.
                copy + good + Frontend.copyDone,
                copy + good + Frontend.copyFail("enough"),
                copy + bad + good + Frontend.copyDone,
                copy + good + Frontend.sync + Frontend.flush + Frontend.copyDone,
                Frontend.extended("COPY copied FROM STDIN") + good + Frontend.copyDone + Frontend.sync,
                Frontend.extended("COPY copied FROM STDIN") + bad + good + Frontend.copyDone + Frontend.sync,
                Frontend.extended("COPY copied FROM STDIN") + Frontend.copyFail("enough") + Frontend.sync,
                Frontend.query("COPY nowhere FROM STDIN"),
                Frontend.query("COPY (SELECT 1/n FROM generate_series(-9, 9) n) TO STDOUT"),
            ]
            try postgres.expectNoCancel(through: pgleash) {
                for past in pasts { try visit(40, through: pgleash.port, pasts: [past]) }
                let pipeline = failing + Frontend.sync + Frontend.query("SELECT 1") + failing + Frontend.sync
                try visit(40, through: pgleash.port, pasts: [pipeline], readies: 3)
            }
            pgleash.stop()
        }

        @Test func `clients that listen, are notified and end`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            try postgres.expectNoCancel(through: pgleash) {
                let listeners = try (0..<40).map { _ in try pgleash.connect(name: "listener") }
                for listener in listeners {
                    try listener.send(Frontend.query("LISTEN news"))
                    try listener.read(until: BackendKind.readyForQuery)
                }
                // Unrequested messages do not make a session busy, before or after it.
                for _ in 1...3 {
                    rest(.milliseconds(300))
                    try postgres.query("NOTIFY news")
                    for listener in listeners { #expect(try listener.readMessage().kind == UInt8(ascii: "A")) }
                }
                let report = try pgleash.report()
                #expect(report["sessions_busy"] == 0)
                #expect(report["sessions_active"] == listeners.count)
                for (number, listener) in listeners.enumerated() {
                    // Some leave without reading their last notifications.
                    if number.isMultiple(of: 8) { try postgres.query("NOTIFY news") }
                    try listener.leave(.inTurn(number))
                }
            }
            pgleash.stop()
        }

        /// Queries, with all kinds of messages in their replies, and their number of rows.
        private static let lastWords: [(bytes: [UInt8], readies: Int, rows: Int)] = [
            (Frontend.query("SELECT pg_sleep(0.2)"), 1, 1),
            (Frontend.extended("SELECT pg_sleep(0.2)") + Frontend.sync, 1, 1),
            (Frontend.query("SELECT pg_sleep(0.1)") + Frontend.query("SELECT pg_sleep(0.1)"), 2, 2),
            // More than all buffers hold: when the Terminate arrives, most of the reply has not been produced.
            (Frontend.query("SELECT repeat('x', 1000), generate_series(1, 30000)"), 1, 30_000),
        ]

        @Test func `a client that sends Terminate after its query, and stays for the whole answer`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            try postgres.expectNoCancel(through: pgleash) {
                for (bytes, readies, rows) in Self.lastWords {
                    for pause in [0, 100] {
                        let client = try pgleash.connect(name: "patient")
                        try client.send(bytes + Frontend.terminate)
                        rest(.milliseconds(pause))
                        var seen = 0
                        for _ in 0..<readies {
                            let answer = try client.read(until: BackendKind.readyForQuery)
                            seen += answer.count { $0.kind == UInt8(ascii: "D") }
                        }
                        #expect(seen == rows)
                        #expect(try client.readToEnd() == [])
                    }
                }
            }
            pgleash.stop()
        }
    }
}
