// The rows of the matrix in which the client leaves a COPY.

import PostgresProtocol
import TestSupport

extension Activity {
    static let createCopied = "CREATE TABLE IF NOT EXISTS matrix_copied (line text)"
    private static let copyIn = "COPY matrix_copied FROM STDIN"
    private static let line = Frontend.copyData("one\n")
    private static let longLine = Frontend.copyData(String(repeating: "x", count: 1000))
    /// The server has received a line and waits for the next: it checks for cancels only when that one has arrived.
    private static let waitsForLine = Step.wait(
        """
        state = 'active' AND wait_event = 'ClientRead'
            AND pid IN (SELECT pid FROM pg_stat_progress_copy WHERE bytes_processed > 0)
        """
    )

    static let copies = [
        Activity(
            description: "COPY out",
            steps: [.send(Frontend.query(slowCopy)), sleeps, .readWhatComes]
        ),
        Activity(
            description: "COPY in, between messages", setUp: createCopied,
            steps: [
                .send(Frontend.query(copyIn)), .read(until: BackendKind.copyInResponse), .send(line), waitsForLine,
            ]
        ),
        Activity(
            description: "COPY in, within a message", setUp: createCopied,
            steps: [
                .send(Frontend.query(copyIn)), .read(until: BackendKind.copyInResponse),
                .send(line + firstHalf(of: longLine)), waitsForLine,
            ],
            leftOut: [.terminate: withinMessage]
        ),
        Activity(
            description: "COPY in over the extended protocol", setUp: createCopied,
            steps: [
                .send(Frontend.extended(copyIn) + Frontend.sync), .read(until: BackendKind.copyInResponse),
                .send(line), waitsForLine,
            ]
        ),
        Activity(
            description: "COPY in whose trigger runs, between messages", setUp: createTriggered,
            steps: [
                .send(Frontend.query(copyInTriggered)), .read(until: BackendKind.copyInResponse), .send(line), sleeps,
            ],
            withoutCancels: .milliseconds(50), repetitions: 10
        ),
        Activity(
            description: "COPY in whose trigger runs, within a message", setUp: createTriggered,
            steps: [
                .send(Frontend.query(copyInTriggered)), .read(until: BackendKind.copyInResponse),
                .send(line + firstHalf(of: longLine)), sleeps,
            ],
            withoutCancels: .milliseconds(50), repetitions: 10, leftOut: [.terminate: withinMessage]
        ),
    ]

    /// It takes no lock on a table that is in use.
    private static let createTriggered = """
        DO $$ BEGIN
            IF to_regclass('matrix_triggered') IS NULL THEN
                CREATE TABLE matrix_triggered (line text);
                CREATE FUNCTION matrix_sleep() RETURNS trigger LANGUAGE plpgsql
                    AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
                CREATE TRIGGER sleeps BEFORE INSERT ON matrix_triggered
                    FOR EACH ROW EXECUTE FUNCTION matrix_sleep();
            END IF;
        END $$
        """
    private static let copyInTriggered = "COPY matrix_triggered FROM STDIN"

    /// 100 KB at once, then no more.
    private static let slowCopy = """
        COPY (SELECT CASE WHEN number > 100 THEN pg_sleep(600)::text ELSE repeat('x', 1000) END
            FROM generate_series(1, 101) number) TO STDOUT
        """
    static let withinMessage = "a Terminate within another message is not one"

    static func firstHalf(of message: [UInt8]) -> [UInt8] { Array(message.prefix(message.count / 2)) }
}
