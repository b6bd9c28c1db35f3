// The record of outstanding requests, compared with a real PostgreSQL: random conversations, and after each the
// server's own view of the session.

import CancelPolicy
import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `The record of outstanding requests` {
        private static let sequences = Int(ProcessInfo.processInfo.environment["PGLEASH_SEQUENCES"] ?? "") ?? 2000
        /// The same seed for every run, so that a failure is caused by the change; `PGLEASH_SEED=random` draws others.
        private static let seed: UInt64 = {
            let word = ProcessInfo.processInfo.environment["PGLEASH_SEED"] ?? "1"
            return UInt64(word) ?? UInt64.random(in: 0 ... .max)
        }()

        @Test func `agrees with pg_stat_activity once random conversations are quiet`() throws {
            print("random conversations: PGLEASH_SEED=\(Self.seed) PGLEASH_SEQUENCES=\(Self.sequences)")
            let postgres = PrivatePostgres.shared
            try postgres.query("CREATE TABLE IF NOT EXISTS copied (n integer)")
            var tally = Tally()
            for index in 0..<Self.sequences {
                let trial = try RequestTrial(postgres, seed: Self.seed &+ UInt64(index))
                try trial.converse()
                let verdict = try trial.judge()
                tally.count(verdict)
                if case .disagrees(let what) = verdict {
                    Issue.record("PGLEASH_SEED=\(Self.seed &+ UInt64(index)) PGLEASH_SEQUENCES=1: \(what)")
                    if tally.disagreements >= 5 { break }
                }
            }
            print("random conversations: \(tally)")
            #expect(tally.busy > Self.sequences / 20 && tally.idle > Self.sequences / 20, "both must have been seen")
        }

        /// Sends `moves`, split at different places each time.
        private func expectAgreement(after moves: ArraySlice<Move>) throws {
            let postgres = PrivatePostgres.shared
            try postgres.query("CREATE TABLE IF NOT EXISTS copied (n integer)")
            for seed in 0..<20 as Range<UInt64> {
                let trial = try RequestTrial(postgres, seed: seed)
                try trial.say(Array(moves))
                if case .disagrees(let what) = try trial.judge() { Issue.record("\(what)") }
            }
        }

        /// Messages that cannot be part of a copy, with ends of the copy and a query after them; the record once became
        /// idle too early.
        private static let brokenCopy = [
            Move(name: "Query(COPY copied FROM STDIN)", bytes: Frontend.query("COPY copied FROM STDIN")),
            Move(name: "CopyData(bad)", bytes: Frontend.copyData("not a number\n")),
            Move(name: "Execute", bytes: Frontend.execute()), Move(name: "Sync", bytes: Frontend.sync),
            Move(name: "Execute", bytes: Frontend.execute()), Move(name: "CopyDone", bytes: Frontend.copyDone),
            Move(name: "Sync", bytes: Frontend.sync),
            Move(name: "Query(pg_sleep)", bytes: Frontend.query("SELECT pg_sleep(0.3)")),
        ]

        @Test(arguments: 1...8)
        func `agrees with the server after a copy broken off by other messages, cut anywhere`(length: Int) throws {
            try expectAgreement(after: Self.brokenCopy[..<length])
        }

        /// A Sync within a copy is ignored by the server, but not when the copy has failed before it.
        private static let syncInFailedCopy = [
            Move(
                name: "Parse, Bind, Execute (COPY copied FROM STDIN)",
                bytes: Frontend.extended("COPY copied FROM STDIN")
            ),
            Move(name: "CopyData(bad)", bytes: Frontend.copyData("not a number\n")),
            Move(name: "Sync", bytes: Frontend.sync),
            // A request that waits for its client without end.
            Move(name: "Query(COPY copied FROM STDIN)", bytes: Frontend.query("COPY copied FROM STDIN")),
        ]

        @Test(arguments: 1...4)
        func `agrees with the server after a copy that fails before a Sync within it, cut anywhere`(length: Int) throws
        {
            try expectAgreement(after: Self.syncInFailedCopy[..<length])
        }
    }
}

/// The number of each result.
private struct Tally: CustomStringConvertible {
    var busy = 0
    var idle = 0
    var ended = 0
    var leaning = 0
    var disagreements = 0

    mutating func count(_ verdict: RequestTrial.Verdict) {
        switch verdict {
        case .agrees(isBusy: true): busy += 1
        case .agrees(isBusy: false): idle += 1
        case .ended: ended += 1
        case .leansToBusy: leaning += 1
        case .disagrees: disagreements += 1
        }
    }

    var description: String {
        "\(busy) busy and \(idle) idle as the server says, \(leaning) leaning to busy, \(ended) ended by the server, "
            + "\(disagreements) in disagreement"
    }
}

/// One conversation with the server, scanned on the way as pgleash does.
private final class RequestTrial {
    enum Verdict {
        case agrees(isBusy: Bool)
        /// The server is idle and waits for the Sync of a batch of which nothing ran; or after a copy that failed with
        /// a Sync between its data, which may or may not have been answered.
        case leansToBusy
        /// The server closed the connection, as it does at messages that cannot be part of a copy.
        case ended
        case disagrees(String)
    }

    private let postgres: PrivatePostgres
    private let client: RawClient
    private var conversation: RandomConversation
    private var state = SessionState(isReplication: false)
    private var fromClient = MessageScanner(.frontend)
    private var fromServer = MessageScanner(.backend)
    private var moves: [String] = []
    private var answers = ""
    private var hasEnded = false

    init(_ postgres: PrivatePostgres, seed: UInt64) throws {
        self.postgres = postgres
        conversation = RandomConversation(seed: seed)
        client = try RawClient(port: postgres.port)
        for message in try client.startUp(name: "trial") {
            state.tracker.serverAnswered(message.kind, message.body.span)
        }
    }

    /// Sends several random messages.
    func converse() throws {
        let count = Int.random(in: 1...8, using: &conversation.generator)
        var moves = (0..<count).map { _ in conversation.next() }
        // Random messages leave most batches open; drivers close theirs.
        if Bool.random(using: &conversation.generator) { moves.append(Move(name: "Sync", bytes: Frontend.sync)) }
        try say(moves)
    }

    /// Sends this, split anywhere, and reads replies in between as they arrive.
    func say(_ said: [Move]) throws {
        moves = said.map(\.name)
        var bytes = said.flatMap(\.bytes)
        while !bytes.isEmpty, !hasEnded {
            let count = Int.random(in: 1...bytes.count, using: &conversation.generator)
            let piece = Array(bytes[..<count])
            bytes.removeFirst(count)
            try fromClient.scan(piece.span) { kind, _ in state.tracker.clientSent(kind) }
            do {
                try client.send(piece)
            } catch {
                hasEnded = true
            }
            if Bool.random(using: &conversation.generator) { try readWhatIsThere(within: 2) }
        }
    }

    /// Waits until neither side sends anything, and compares.
    func judge() throws -> Verdict {
        var disagreements = 0
        for _ in 0..<1000 {
            try readWhatIsThere(within: disagreements == 0 ? 1 : 10)
            if hasEnded { return .ended }
            // It can report that it waits for the client before it has been woken.
            guard try client.peerHasReadAll() else { continue }
            let row = try postgres.query(
                "SELECT state, coalesce(wait_event, '') FROM pg_stat_activity WHERE pid = \(client.backendPID)"
            )
            guard let state = row.first?.first, row.first?.last == "ClientRead" else { continue }
            let verdict = verdict(serverState: state)
            // Bytes that the server sent before it began to wait may be on their way, and a busy machine takes longer.
            guard case .disagrees = verdict, disagreements < 30 else { return verdict }
            disagreements += 1
        }
        return .disagrees("the server never came to rest: \(moves)")
    }

    private func verdict(serverState: String) -> Verdict {
        let serverIsBusy = serverState == "active" || serverState == "fastpath function call"
        if state.tracker.isBusy == serverIsBusy { return .agrees(isBusy: serverIsBusy) }
        if state.tracker.isBusy, hasOpenBatch || hasSyncBehindData { return .leansToBusy }
        let words = "we say \(state.tracker.isBusy ? "busy" : "idle"), the server says \(serverState)"
        return .disagrees("\(words) after \(moves), answered with \(answers)")
    }

    /// Extended messages were sent since the last Sync. The server does not report itself as active when all of them
    /// failed before any ran, or are of the kinds that run nothing.
    private var hasOpenBatch: Bool {
        let start = moves.lastIndex { $0 == "Sync" || $0.hasPrefix("Batch") }.map { $0 + 1 } ?? 0
        let extended = ["Parse", "Bind", "Describe", "Execute", "Close"]
        return moves[start...].contains { move in extended.contains { move.hasPrefix($0) } }
    }

    /// No driver sends this.
    private var hasSyncBehindData: Bool {
        zip(moves, moves.dropFirst()).contains { $0.hasPrefix("CopyData") && $1 == "Sync" }
    }

    /// Reads the server's messages for this number of milliseconds, until there are none for as long.
    ///
    /// - Returns: whether there were any.
    @discardableResult
    private func readWhatIsThere(within milliseconds: Int32) throws -> Bool {
        var hasRead = false
        while !hasEnded {
            var query = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&query, 1, milliseconds) > 0 else { break }
            do {
                let bytes = try client.receive()
                hasRead = true
                try fromServer.scan(bytes.span) { kind, body in
                    answers.unicodeScalars.append(Unicode.Scalar(kind))
                    state.tracker.serverAnswered(kind, body)
                }
            } catch is RawClientError {
                hasEnded = true
            }
        }
        return hasRead
    }
}
