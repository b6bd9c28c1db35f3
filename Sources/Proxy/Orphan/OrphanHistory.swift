// The last orphans, for the report.

import Logging
import Reactor
import Telemetry

/// What became of the last orphans of all workers.
package final class OrphanHistory: Sendable {
    /// Orphans that the report shows.
    static let capacity = 50

    private let records = Locked([OrphanRecord]())

    package init() {}

    /// - Parameter metadata: as in the log line about it.
    func add(_ metadata: Logger.Metadata) {
        let record = OrphanRecord(time: "\(WallTime.now)", fields: LogField.fields(of: metadata))
        records.withLock { records in
            if records.count == Self.capacity { records.removeFirst() }
            records.append(record)
        }
    }

    /// The newest first.
    var all: [OrphanRecord] { records.withLock { $0.reversed() } }
}
