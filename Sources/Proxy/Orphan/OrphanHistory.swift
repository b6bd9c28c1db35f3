// The history of the last orphans, for the report.

import Logging
import Reactor
import Telemetry

/// The outcomes of the last orphans of all workers.
package final class OrphanHistory: Sendable {
    /// The number of orphans in the report.
    static let capacity = 50

    private let records = Locked([OrphanRecord]())

    package init() {}

    /// - Parameter metadata: that of the log line about the orphan.
    func add(_ metadata: Logger.Metadata) {
        let record = OrphanRecord(time: "\(WallTime.now)", fields: LogField.fields(of: metadata))
        records.withLock { records in
            if records.count == Self.capacity { records.removeFirst() }
            records.append(record)
        }
    }

    /// All records, the newest first.
    var all: [OrphanRecord] { records.withLock { $0.reversed() } }
}
