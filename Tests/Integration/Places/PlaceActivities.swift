// The activities for places with other systems: a part of the matrix, and activities in which a pooler may end a
// session before its statement.

import PostgresProtocol
import TestSupport

extension Activity {
    /// The poolers with which an activity can be caused, and the end of its client be seen.
    enum Poolers {
        case anywhere
        /// A pooler whose client is pgleash. While it waits for its server it does not check its own clients.
        case afterPgleash
        /// Poolers do not pass it on unchanged.
        case nowhere

        func include(_ place: Place.Kind) -> Bool {
            switch self {
            case .anywhere: true
            case .afterPgleash: !place.hasPool || place == .sessionPool || place == .transactionPool
            case .nowhere: !place.hasPool
            }
        }
    }

    /// For places with and without a pooler; the activities that change the connections of the pool are last.
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
                description: "startup and query in one send, and gone", sentAhead: Frontend.query(sleep),
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

    /// A place with one server connection, which is busy for this time after the client has left.
    static func queued(_ time: Duration) -> Activity {
        Activity(
            description: "queued at a pool that is full for \(Int(time.milliseconds)) ms more",
            steps: [.send(Frontend.query(sleep)), .rest(.milliseconds(2))]
        )
    }

    /// The time for which the pool is full.
    static let queues = [Duration.milliseconds(5), .milliseconds(30), .milliseconds(300)]

    /// 80 queries, so that those that the server has when the first one ends are over soon.
    private static var megabytes: [UInt8] {
        let query = Frontend.query("SELECT 1 --" + String(repeating: "x", count: 1 << 20))
        return (1...80).reduce(into: []) { bytes, _ in bytes += query }
    }

    /// The same with a comment before the text of each statement, by which the server's view identifies it.
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
