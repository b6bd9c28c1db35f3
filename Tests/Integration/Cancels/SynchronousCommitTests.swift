// Commits that wait for a synchronous standby: a cancel would end the wait, not the commit, and other sessions would
// see changes that are on no standby. Without pgleash they continue to wait when their client leaves.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A commit that waits for a standby` {
        /// Commits on this server wait for a standby that never connects, except those of its observer.
        private let postgres: PrivatePostgres
        private static let waiting = "wait_event = 'SyncRep'"

        init() throws {
            // The file of ALTER SYSTEM: a setting on the command line could not be reset.
            let file = try RunFolder.shared.newFile("auto.conf", "synchronous_standby_names = 'standby1'\n")
            postgres = try PrivatePostgres(
                settings: ["synchronous_commit=on", "max_prepared_transactions=50"],
                files: [("postgresql.auto.conf", file)]
            )
            try postgres.query("SET synchronous_commit = local")
            try postgres.query("CREATE TABLE waiting (client text)")
        }

        /// Lets all commits continue.
        private func endWaits() throws {
            try postgres.query("ALTER SYSTEM RESET synchronous_standby_names")
            try postgres.query("SELECT pg_reload_conf()")
        }

        /// The time at which a client leaves.
        private enum Moment: String, CaseIterable {
            case atOnce = "at once"
            case whileWaiting = "while it waits"
        }

        @Test(arguments: [false, true])
        func `stays invisible until its standby has it, also when its client went, and with a monitor`(
            hasMonitor: Bool
        ) throws {
            let pgleash = try pgleash(hasMonitor)
            let direct = try commitAll(port: postgres.port, way: "direct")
            let leashed = try commitAll(port: pgleash.port, way: "pgleash")
            var visible: Set<String> = []
            _ = try holds(for: .seconds(2)) {
                visible.formUnion(try rows())
                return true
            }
            let names = "SELECT application_name FROM pg_stat_activity WHERE \(Self.waiting)"
            let stillWaiting = Set(try postgres.query(names).compactMap(\.first))
            let ended = (direct + leashed).map(\.name).filter { !stillWaiting.contains($0) }
            print(
                "\(direct.count + leashed.count) commits whose clients went: \(visible.count) became visible, "
                    + "\(ended.count) did not wait any more"
            )
            #expect(visible.sorted() == [])
            #expect(ended == [])

            try endWaits()
            try wait(for: "the end of all waits") { try postgres.count(Self.waiting) == 0 }
            let committed = try rows()
            #expect((direct + leashed).allSatisfy { $0.isFirstPhase != committed.contains($0.name) })
            let cancelled = try leashed.map(\.name).filter {
                let line = try pgleash.reapedLine($0)
                // With a monitor, what follows the COMMIT is ended.
                let outcomes = hasMonitor ? ["finished", "terminated"] : ["finished"]
                return !outcomes.contains(line["outcome"] ?? "") || line["attempts"] != "0"
            }
            #expect(cancelled == [])
            try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            pgleash.stop()
            postgres.stop()
        }

        private func pgleash(_ hasMonitor: Bool) throws -> PgleashProcess {
            hasMonitor
                ? try .monitored(postgres.address, user: "postgres")
                : try PgleashProcess(server: postgres.address)
        }

        @Test func `stays invisible with a monitor where an INSERT commits by itself, too`() throws {
            let pgleash = try pgleash(true)
            let bytes = Frontend.query(Commit.insert)
            try pgleash.connectBusy(name: "by itself", bytes: bytes, event: "SyncRep", server: postgres).close()
            #expect(try holds(for: .seconds(2)) { try rows().isEmpty && postgres.count(Self.waiting) == 1 })
            let report = try pgleash.report()
            #expect(report.sum("cancels_sent_total") == 0 && report["orphans_active"] == 1)
            try endWaits()
            #expect(try pgleash.reapedLine("by itself")["outcome"] == "finished")
            pgleash.stop()
            postgres.stop()
        }

        /// Lets clients commit and leave, in all ways.
        ///
        /// - Parameter way: for the name of each client, which is its row, too.
        /// - Returns: those that must wait. A pipeline left at once may have been cut before its COMMIT.
        private func commitAll(port: UInt16, way: String) throws -> [(name: String, isFirstPhase: Bool)] {
            var waiting: [(name: String, isFirstPhase: Bool)] = []
            for (number, commit) in Commit.all.enumerated() {
                for moment in Moment.allCases {
                    let name = "\(way), \(commit.name), \(moment.rawValue)"
                    if let sql = commit.setUp(row: name) { try postgres.query(sql) }
                    let client = try RawClient(port: port)
                    try client.startUp(name: name)
                    for message in commit.answered {
                        try client.send(message)
                        try client.read(until: BackendKind.readyForQuery)
                    }
                    try client.send(commit.last(row: name))
                    if moment == .whileWaiting { try postgres.waitForActive(name, event: "SyncRep") }
                    try client.leave(number.isMultiple(of: 2) ? .fin : .reset)
                    if moment == .whileWaiting || !commit.isPipelined { waiting.append((name, commit.isFirstPhase)) }
                }
            }
            return waiting
        }

        private func rows() throws -> Set<String> {
            Set(try postgres.query("SELECT client FROM waiting").compactMap(\.first))
        }

        // A statement that commits by itself cannot be distinguished from one that still runs: its wait is ended, and
        // the log reports it.
        @Test func `has its wait ended where an INSERT commits by itself, and the log reports it`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            let insert = Commit.insert
            let requests = [
                Frontend.query(insert), Frontend.extended(insert) + Frontend.sync,
                Frontend.query("BEGIN; \(insert); COMMIT"),
            ]
            for (number, bytes) in requests.enumerated() {
                let name = "by itself \(number)"
                try pgleash.connectBusy(name: name, bytes: bytes, event: "SyncRep", server: postgres).close()
                let line = try pgleash.reapedLine(name)
                #expect(line["outcome"] == "finished", "\(line)")
                #expect(Int(line["attempts"] ?? "").map { $0 > 0 } == true)
            }
            let warnings = try pgleash.waitForLogLines("sqlstate=01000", count: requests.count)
            #expect(warnings.count == requests.count)
            #expect(
                warnings.allSatisfy {
                    $0.contains("level=warning") && $0.contains("canceling wait for synchronous replication")
                }
            )
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["orphans_total", "finished"] == requests.count)
            #expect(report["orphans_total", "cancelled"] == 0)
            pgleash.stop()
            postgres.stop()
        }
    }
}

/// A way to commit one row, which contains the client's application_name.
private struct Commit {
    let name: String
    /// The messages that are answered before the last ones are sent.
    var answered: [[UInt8]] = Commit.begun
    /// The messages that are sent before the client leaves.
    var last: [UInt8] = []
    /// The last messages contain more than the commit.
    var isPipelined = false
    /// The command of a two-phase commit, sent instead with the name of the transaction.
    var phase: String?

    var isFirstPhase: Bool { phase == "PREPARE TRANSACTION" }

    /// SQL that another session runs before: the transaction that a second phase commits.
    func setUp(row: String) -> String? {
        guard phase == "COMMIT PREPARED" else { return nil }
        return "BEGIN; INSERT INTO waiting VALUES ('\(row)'); PREPARE TRANSACTION '\(row)'"
    }

    func last(row: String) -> [UInt8] { phase.map { Frontend.query("\($0) '\(row)'") } ?? last }

    static let insert = "INSERT INTO waiting VALUES (current_setting('application_name'))"
    private static let begun = [Frontend.query("BEGIN"), Frontend.query(insert)]

    static let all = simple + extended + pipelined + twoPhase

    private static let simple = ["COMMIT", "COMMIT;", "end", "/* a */ commit", "-- a\n\tCommit Work ; -- b"]
        .enumerated().map { Commit(name: "query \($0)", last: Frontend.query($1)) }

    private static let extended = [
        Commit(name: "extended", last: Frontend.extended("COMMIT") + Frontend.sync),
        // A statement that was parsed long before: the messages that execute it contain only its name.
        Commit(
            name: "named", answered: [Frontend.parse("COMMIT", statement: "c") + Frontend.sync] + begun,
            last: Frontend.bind(statement: "c") + Frontend.execute() + Frontend.sync
        ),
    ]

    private static let pipelined = [
        Commit(
            name: "pipelined INSERT", answered: [Frontend.query("BEGIN")],
            last: Frontend.query(insert) + Frontend.query("COMMIT"),
            isPipelined: true
        ),
        Commit(
            name: "pipelined BEGIN", answered: [],
            last: Frontend.query("BEGIN") + Frontend.query(insert) + Frontend.query("COMMIT"),
            isPipelined: true
        ),
        Commit(
            name: "pipelined Syncs", answered: [Frontend.query("BEGIN")],
            last: Frontend.extended(insert) + Frontend.sync + Frontend.extended("COMMIT") + Frontend.sync,
            isPipelined: true
        ),
        Commit(
            name: "one batch", answered: [Frontend.query("BEGIN")],
            last: Frontend.extended(insert) + Frontend.extended("COMMIT") + Frontend.sync,
            isPipelined: true
        ),
    ]

    private static let twoPhase = [
        Commit(name: "first phase", phase: "PREPARE TRANSACTION"),
        Commit(name: "second phase", answered: [], phase: "COMMIT PREPARED"),
    ]
}
