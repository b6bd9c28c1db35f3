// The history of the last orphans, for the report.

import Logging
import Reactor
import Telemetry

/// The outcomes of the last orphans of all workers.
package final class OrphanHistory: Sendable {
    private struct Entry {
        let time: WallTime
        let metadata: Logger.Metadata
    }

    /// The number of orphans in the report.
    static let capacity = 50

    private let entries = Locked([Entry]())

    package init() {}

    /// - Parameter metadata: that of the log line about the orphan.
    func add(_ metadata: Logger.Metadata) {
        let entry = Entry(time: .now, metadata: metadata)
        entries.withLock { entries in
            if entries.count == Self.capacity { entries.removeFirst() }
            entries.append(entry)
        }
    }

    /// All records, the newest first. They become text only here, as in a storm most entries are never reported.
    var all: [OrphanRecord] {
        entries.withLock { $0 }.reversed().map {
            OrphanRecord(time: "\($0.time)", fields: LogField.fields(of: $0.metadata))
        }
    }
}
