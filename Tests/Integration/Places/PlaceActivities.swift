// What is tried of the matrix where others are before or behind pgleash, and what is tried only there: all in which a
// pooler may forget a client sooner than its statement.

import PostgresProtocol
import TestSupport

extension Activity {
    /// Poolers with which an activity can be brought about, and its client be seen to go.
    enum Poolers {
        case anywhere
        /// A pooler whose client is pgleash. One that waits for its server doesn't look at its own clients.
        case afterPgleash
        /// Poolers don't pass it on as it was sent.
        case nowhere

        func include(_ place: Place.Kind) -> Bool {
            switch self {
            case .anywhere: true
            case .afterPgleash: !place.hasPool || place == .sessionPool || place == .transactionPool
            case .nowhere: !place.hasPool
            }
        }
    }

    /// For places with and without a pooler; last what changes the connections that it keeps.
    static let ofPlaces =
        all.filter { !$0.changesSettings } + [
            Activity(
                description: "Terminate sent 20 ms before, extended protocol",
                steps: [
                    .send(Frontend.extended(sleep) + Frontend.sync), sleeps, .send(Frontend.terminate),
                    .rest(.milliseconds(20)),
                ],
                leftOut: [.terminate: "it has been sent"]
            ),
            Activity(
                description: "start-up and query in one send, and gone", sentAhead: Frontend.query(sleep),
                awaitsStart: false, steps: []
            ),
            Activity(
                description: "extended protocol and Flush, gone after 2 ms",
                steps: [.send(Frontend.extended(sleep) + Frontend.flush), .rest(.microseconds(2500))]
            ),
            Activity(
                description: "80 MB unsent behind a query",
                steps: [.send(Frontend.query(sleep)), sleeps, .sendWhatFits(megabytes)], poolers: .afterPgleash,
                leftOut: [.terminate: "it can't be sent either"]
            ),
        ] + all.filter(\.changesSettings)

    /// A place in which the first cancel is lost.
    static let cancelLost = Activity(
        description: "the first cancel is lost", steps: [.send(Frontend.query(sleep)), sleeps]
    )

    /// A place with one server connection, which is busy for so much longer when the client has gone.
    static func queued(_ time: Duration) -> Activity {
        Activity(
            description: "queued at a pool that is full for \(Int(time.milliseconds)) ms more",
            steps: [.send(Frontend.query(sleep)), .rest(.milliseconds(2))]
        )
    }

    /// How long the pool is full.
    static let queues = [Duration.milliseconds(5), .milliseconds(30), .milliseconds(300)]

    /// 80 queries, so that those that the server has when the first one ends are soon over.
    private static var megabytes: [UInt8] {
        let query = Frontend.query("SELECT 1 --" + String(repeating: "x", count: 1 << 20))
        return (1...80).reduce(into: []) { bytes, _ in bytes += query }
    }

    /// The same with a comment before the text of each statement, by which it is known on the server.
    func commented(_ comment: String) -> Activity {
        var commented = self
        commented.sentAhead = Frontend.commented(sentAhead, comment)
        commented.lastWords = Frontend.commented(lastWords, comment)
        commented.steps = steps.map { step in
            switch step {
            case .send(let bytes): .send(Frontend.commented(bytes, comment))
            case .sendWhatFits(let bytes): .sendWhatFits(Frontend.commented(bytes, comment))
            case .read, .readWhatComes, .wait, .rest: step
            }
        }
        return commented
    }
}
