// The activities of a server for a client when the client leaves: the rows of the matrix. This file says how each is
// caused and recognized; Departure.swift has the ways in which the client leaves.

import PostgresProtocol
import TestSupport
import Testing

/// A row of the matrix.
struct Activity: CustomStringConvertible, CustomTestStringConvertible, Sendable {
    /// A step of the conversation that causes the activity.
    enum Step: Sendable {
        case send([UInt8])
        /// Sends until no more is taken.
        case sendWhatFits([UInt8])
        /// Reads up to the first message of this kind.
        case read(until: UInt8)
        /// Reads until no more arrives, so that a close sends a FIN and not, because of unread bytes, an RST.
        case readWhatComes
        /// Waits until this SQL condition is true of the backend's row in `pg_stat_activity`.
        case wait(String)
        /// Waits for this time.
        case rest(Duration)
    }

    let description: String
    /// The setup: SQL that may run repeatedly.
    var setUp: String?
    /// The statement with which another session takes and keeps a lock.
    var lock: String?
    /// The messages that are sent with the startup packet.
    var sentAhead: [UInt8] = []
    /// The client does not leave before it could send a query. One that does sends all its messages at that moment.
    var awaitsStart = true
    /// The steps before the client leaves. The last wait shows that the activity is under way.
    var steps: [Step]
    /// The messages that are sent at the moment in which the client leaves.
    var lastWords: [UInt8] = []
    /// The largest number of interrupts that end it.
    var interrupts = 1
    /// The longest time in which the server loses cancels, or pgleash sends none.
    var withoutCancels = Duration.zero
    /// The longest time for which one of its connections can stall without a known reason, occasionally.
    var standstill = Duration.zero
    /// It leaves settings that a pooler passes to the next client, too.
    var changesSettings = false
    /// The places where there may be a pooler.
    var poolers = Poolers.anywhere
    /// The size of the client's socket buffer; nil for the system's default.
    var receiveBuffer: Int32?
    /// The number for each cell.
    var repetitions = 20
    /// The reason why a way to leave makes no sense here. These cells are left out.
    var leftOut: [Departure: String] = [:]

    var testDescription: String { description }

    /// The ways to leave that make sense.
    var departures: [Departure] { Departure.allCases.filter { leftOut[$0] == nil } }
}

extension Activity {
    static let all = queries + pipelines + copies + beginnings + stuck

    /// Seven of eight requests are followed by others, so each is cancelled only after 40 ms; timers tick every 4 ms.
    private static let pipelinePauses = Duration.milliseconds(7 * 44)

    static let sleep = "SELECT pg_sleep(600)"
    static let sleeps = Step.wait("state = 'active' AND wait_event = 'PgSleep'")

    /// One statement, sent in each possible way.
    private static let queries = [
        Activity(
            description: "CPU-bound simple query",
            steps: [
                .send(Frontend.query("SELECT generate_series(1, 1e9) OFFSET 1e9")),
                .wait("state = 'active' AND wait_event IS NULL"),
            ]
        ),
        Activity(description: "pg_sleep", steps: [.send(Frontend.query(sleep)), sleeps]),
        Activity(
            description: "extended protocol with Sync",
            steps: [.send(Frontend.extended(sleep) + Frontend.sync), sleeps]
        ),
        Activity(
            description: "extended protocol, Flush and no Sync",
            steps: [.send(Frontend.extended(sleep) + Frontend.flush), sleeps]
        ),
        Activity(
            description: "portal fetched in parts",
            steps: [
                .send(Frontend.query("BEGIN")), .read(until: BackendKind.readyForQuery),
                .send(Frontend.parse(slowFromThird) + Frontend.bind(portal: "parts") + nextPart),
                .read(until: BackendKind.readyForQuery),
                .send(nextPart), .read(until: BackendKind.readyForQuery),
                .send(nextPart), sleeps,
            ]
        ),
        Activity(
            description: "waiting for a lock", setUp: createLocked, lock: locked,
            steps: [.send(Frontend.query(readLocked)), waitsForLock]
        ),
        Activity(
            description: "inside a transaction block", setUp: createCopied,
            steps: [
                .send(Frontend.query("BEGIN; INSERT INTO matrix_copied VALUES ('never committed')")),
                .read(until: BackendKind.readyForQuery), .send(Frontend.query(sleep)), sleeps,
            ]
        ),
        Activity(
            description: "FunctionCall",
            // pg_sleep(double precision), with its OID in pg_proc.dat, for 600 seconds.
            steps: [
                .send(Frontend.functionCall(2626, [[0x40, 0x82, 0xc0, 0, 0, 0, 0, 0]])),
                .wait("state = 'fastpath function call' AND wait_event = 'PgSleep'"),
            ]
        ),
        Activity(
            description: "code that catches query_canceled three times",
            steps: [.send(Frontend.query(catching)), sleeps], interrupts: 4
        ),
    ]

    private static let slowFromThird = """
        SELECT number, CASE WHEN number > 2 THEN pg_sleep(600) END FROM generate_series(1, 9) number
        """
    private static let nextPart = Frontend.execute(portal: "parts", rows: 1) + Frontend.sync

    private static let catching = """
        DO $$ BEGIN
            FOR i IN 1..3 LOOP
                BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END;
            END LOOP;
            PERFORM pg_sleep(600);
        END $$
        """

    private static let createLocked = "CREATE TABLE IF NOT EXISTS matrix_locked ()"
    private static let locked = "LOCK TABLE matrix_locked"
    private static let readLocked = "SELECT FROM matrix_locked"
    private static let waitsForLock = Step.wait("state = 'active' AND wait_event_type = 'Lock'")

    /// Several replies are outstanding.
    private static let pipelines = [
        Activity(
            // PgBouncer counts the skipped query as one that will be answered, and waits for its reply before it sends
            // the next.
            description: "query behind an error in a batch", steps: [.send(behindError), sleeps], poolers: .nowhere
        ),
        Activity(
            description: "pipeline of 8 Sync'd batches",
            steps: [.send((1...8).flatMap { _ in Frontend.extended("SELECT pg_sleep(20)") + Frontend.sync }), sleeps],
            interrupts: 8, withoutCancels: pipelinePauses
        ),
        Activity(
            description: "8 simple queries at once",
            steps: [.send((1...8).flatMap { _ in Frontend.query("SELECT pg_sleep(20)") }), sleeps], interrupts: 8,
            withoutCancels: pipelinePauses
        ),
    ]

    private static let behindError =
        Frontend.extended("SELECT 1/0") + Frontend.query("SELECT 'skipped'") + Frontend.sync + Frontend.query(sleep)

    /// The client leaves at, or soon after, the moment in which the server learns of the work, or of its end.
    private static let beginnings = [
        Activity(
            description: "Terminate sent 20 ms before",
            steps: [
                .send(Frontend.query(sleep)), sleeps, .send(Frontend.terminate), .rest(.milliseconds(20)),
            ],
            leftOut: [.terminate: "it has been sent"]
        ),
        Activity(
            description: "query sent with the startup packet", sentAhead: Frontend.query(sleep), steps: [],
            repetitions: 40, leftOut: [.deadHost: onItsWay]
        ),
        Activity(
            description: "sent and gone", steps: [], lastWords: Frontend.query(sleep), repetitions: 100,
            leftOut: [.deadHost: onItsWay]
        ),
        Activity(
            // For the first compiled plan the backend loads LLVM, within Bind, and loses cancels meanwhile.
            description: "Bind that loads LLVM, sent and gone",
            steps: [
                .send(Frontend.query("SET jit = on; SET jit_above_cost = 0")), .read(until: BackendKind.readyForQuery),
            ],
            lastWords: Frontend.extended(sleep) + Frontend.sync, interrupts: 2, withoutCancels: .milliseconds(250),
            changesSettings: true, repetitions: 10, leftOut: [.deadHost: onItsWay]
        ),
    ]

    private static let onItsWay = "what was sent arrives, and is pg_sleep, or doesn't, and is nothing"

    /// One side does not take the bytes of the other.
    private static let stuck = [
        Activity(
            description: "half of a large message sent, in a transaction", setUp: createCopied,
            steps: [
                .send(Frontend.query("BEGIN; INSERT INTO matrix_copied VALUES ('never committed')")),
                .read(until: BackendKind.readyForQuery), .send(firstHalf(of: query(megabytes: 1))),
                .wait("state = 'idle in transaction' AND wait_event = 'ClientRead'"),
            ],
            leftOut: [.terminate: withinMessage]
        ),
        Activity(
            description: "megabytes unsent to a waiting server", setUp: createLocked, lock: locked,
            // More than the kernel takes between a client and a server that does not read. It is one query, so that the
            // figures are not those of the server running the part that has reached it. It takes the server as long as
            // five cancels to read this.
            steps: [
                .send(Frontend.query(readLocked)), waitsForLock,
                .sendWhatFits(query(megabytes: 12)),
            ],
            // Occasionally a backend of a debug build's session ends 120 to 283 ms after its client, although pgleash
            // has seen the end of its work within 12 ms and has closed. The server still reads the sent bytes; the
            // reason for the delay is not known, and may be the kernel's timer (TCP_RTO_MIN, 200 ms).
            interrupts: 6, standstill: .milliseconds(200), poolers: .afterPgleash,
            leftOut: [.terminate: "it can't be sent either"]
        ),
        // The last one, because with tcp_user_timeout the kernel gives up a stalled client, dead or not.
        Activity(
            description: "result that nobody reads",
            steps: [
                .send(Frontend.query("SELECT repeat('x', 1000), generate_series(1, 100000000)")),
                .wait("state = 'active' AND wait_event = 'ClientWrite'"),
            ],
            receiveBuffer: 4096
        ),
    ]

    private static func query(megabytes: Int) -> [UInt8] {
        Frontend.query("SELECT 1 --" + String(repeating: "x", count: megabytes << 20))
    }
}
