// The JSON of /status: everything that the live page shows, except for the list of sessions.

import Reactor
import Settings
import Telemetry

/// The state of the process at one time.
struct StatusDocument {
    /// The number of orphans that are shown while they are reaped.
    private static let mostReaping = 50

    private let collection: ProcessSnapshot
    private let metrics: MetricSources
    private let state: String

    /// - Parameter state: in one word.
    init(_ collection: ProcessSnapshot, _ state: String) {
        (self.collection, self.state) = (collection, state)
        metrics = collection.metrics
    }

    var json: JSON {
        let reaping = collection.sessions.filter { $0.state == "reaping" }
        let sources = collection.sources
        let (startTime, configuration) = (sources.collector.startTime, sources.collector.configuration)
        return .object([
            ("version", .text(pgleashVersion)),
            ("time", .text("\(collection.time)")),
            ("started", .text("\(startTime)")),
            ("uptime", .decimal(Double(collection.time.milliseconds - startTime.milliseconds) / 1000)),
            ("state", .text(state)),
            ("process", process),
            (
                "workers",
                .object([
                    ("count", .number(sources.workers.count)), ("answering", .number(collection.answering)),
                ])
            ),
            ("listen", .array(sources.listening.map { .text("\($0)") })),
            ("servers", .array(configuration.server.endpoints.map { .object([("address", .text("\($0)"))]) })),
            ("sessions", sessions),
            ("metrics", Metric.allJSON(from: metrics)),
            ("reap_seconds", metrics.reapTimes),
            ("reaping", .array(reaping.prefix(Self.mostReaping).map(\.json))),
            ("reaping_total", .number(reaping.count)),
            ("orphans", .array(sources.orphans.all.map(\.json))),
            ("configuration", .array(configuration.effectiveSettings.map(\.json))),
        ])
    }

    private var process: JSON {
        .object([
            ("pid", .number(processIdentifier)),
            ("resident_bytes", .number(metrics.process.residentBytes)),
            ("cpu_seconds", .decimal(metrics.process.processorSeconds)),
            ("open_files", .number(metrics.process.openDescriptors)),
            ("max_files", .number(metrics.process.descriptorLimit)),
        ])
    }

    private var sessions: JSON {
        .object([
            ("active", .number(metrics.sum(\.sessionsActive))),
            ("busy", .number(metrics.sum(\.sessionsBusy))),
            ("max", .number(metrics.maxSessions)),
            ("oldest_query", .optional(metrics.oldestQuery) { .seconds($0) }),
        ])
    }
}

extension EffectiveSetting {
    fileprivate var json: JSON {
        .object([
            ("section", .text(section)),
            ("key", .text(key)),
            ("value", .optional(value) { .text($0) }),
            ("default", .bool(origin == nil)),
            ("origin", .optional(origin) { .text("\($0)") }),
            ("reload", .bool(isReread)),
        ])
    }
}
