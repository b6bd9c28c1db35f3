// Metrics as JSON, for the live page.

extension Metric {
    /// All counters and gauges, by name.
    package static func allJSON(from sources: MetricSources) -> JSON {
        .object(all.filter { $0.kind != .histogram }.map { ($0.name, $0.json(from: sources)) })
    }

    private func json(from sources: MetricSources) -> JSON {
        let samples = samples(sources).map { sample in
            JSON.object([
                ("labels", .object(sample.labels.map { ($0.name, .text($0.value)) })),
                ("value", Int64(exactly: sample.value).map { .integer($0) } ?? .decimal(sample.value)),
            ])
        }
        return .object([("type", .text(kind.rawValue)), ("help", .text(help)), ("samples", .array(samples))])
    }
}

extension MetricSources {
    /// The histogram of the times of reaping; its counts are not cumulative.
    package var reapTimes: JSON {
        let histograms = counters.map(\.reapTime)
        let counts = (0...Histogram.bounds.count).map { index in histograms.reduce(0) { $0 + $1.counts[index].value } }
        let microseconds = histograms.reduce(0) { $0 + $1.sumOfMicroseconds.value }
        return .object([
            ("bounds", .array(Histogram.bounds.map { .decimal($0) })),
            ("counts", .array(counts.map { .integer($0) })),
            ("sum", .decimal(Double(microseconds) / 1e6)),
            ("count", .number(counts.reduce(0, +))),
        ])
    }
}
