// A server that waits for its client and holds a lock: it learns at once that the client is gone, also where `[cancel]
// grace` would let a running query continue.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A server that waits for a client that is gone` {
        /// The reason why the server waits, while it holds a lock.
        enum Work: String, CaseIterable, CustomTestStringConvertible {
            case copy = "COPY in between messages"
            case extendedCopy = "COPY in over the extended protocol"
            case flushedCopy = "COPY in over the extended protocol, without Sync"
            case openBatch = "open batch, all answered"
            case halfMessage = "half a message sent in a transaction"
            case idle = "idle in transaction"

            var testDescription: String { rawValue }

            private static let copyIn = "COPY filled FROM STDIN"

            /// The messages of a client with an open transaction.
            var bytes: [UInt8] {
                let line = Frontend.copyData("a line\n")
                return switch self {
                case .copy: Frontend.query(Self.copyIn) + line
                case .extendedCopy: Frontend.extended(Self.copyIn) + Frontend.sync + line
                case .flushedCopy: Frontend.extended(Self.copyIn) + Frontend.flush + line
                case .openBatch: Frontend.extended("INSERT INTO filled VALUES ('never')") + Frontend.flush
                case .halfMessage: Array(Frontend.query("SELECT 1 --" + String(repeating: "x", count: 1000))[..<500])
                case .idle: []
                }
            }

            /// The last message in the reply.
            var answer: UInt8? {
                switch self {
                case .copy, .extendedCopy, .flushedCopy: BackendKind.copyInResponse
                case .openBatch: BackendKind.commandComplete
                case .halfMessage, .idle: nil
                }
            }
        }

        private let postgres = PrivatePostgres.shared
        private static let name = "lock holder"
        private static let grace = Duration.seconds(8)
        /// A lock that is held after this time counts as held this long.
        private static let limit = Duration.seconds(2)

        init() throws {
            try postgres.query("CREATE TABLE IF NOT EXISTS filled (line text)")
            try postgres.query("CREATE TABLE IF NOT EXISTS held ()")
        }

        @Test(arguments: Work.allCases)
        func `gives up its lock as soon as without pgleash, whatever the grace`(_ work: Work) throws {
            let grace = "grace = \(Self.grace.components.seconds)s"
            let pgleash = try PgleashProcess(configuration: ["cancel": [grace]])
            var (direct, through): ([Duration], [Duration]) = ([], [])
            for farewell in [Farewell.fin, .reset, .fin, .reset, .fin] {
                direct.append(try timeUntilFree(work, farewell, port: postgres.port))
                through.append(try timeUntilFree(work, farewell, port: pgleash.port))
            }
            print("\(work.rawValue), lock free: directly \(direct.summary); through pgleash \(through.summary)")
            #expect(through.sorted()[2] - direct.sorted()[2] < .milliseconds(50))
            #expect(through.allSatisfy { $0 < Self.limit })
            #expect(try postgres.value("SELECT count(*) FROM filled") == "0")
            pgleash.stop()
        }

        /// The time from before a client leaves until no session holds the lock.
        private func timeUntilFree(_ work: Work, _ farewell: Farewell, port: UInt16) throws -> Duration {
            let client = try RawClient(port: port)
            try client.startUp(name: Self.name)
            try client.send(Frontend.query("BEGIN; LOCK TABLE held"))
            try client.read(until: BackendKind.readyForQuery)
            try client.send(work.bytes)
            if let answer = work.answer { try client.read(until: answer) }
            try wait(for: "a backend that waits for its client") {
                try postgres.count("pid = \(client.backendPID) AND wait_event = 'ClientRead'") == 1
            }
            // It must wait for a message that was not sent, not for one that it has not read yet.
            try wait(for: "the server to have read all") { try client.peerHasReadAll() }
            let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'held'::regclass"
            #expect(try postgres.value(locks) == "1")
            let start = ContinuousClock.now
            try client.leave(farewell)
            while try postgres.value(locks) != "0", start.duration(to: .now) < Self.limit {
                rest(.microseconds(500))
            }
            let time = min(MachinePauses.shared.timeWithout(from: start, to: .now), Self.limit)
            if time >= Self.limit { try postgres.terminate(Self.name) }
            try wait(for: "the end of the client's backend") { try postgres.backends(Self.name) == 0 }
            return time
        }
    }
}
