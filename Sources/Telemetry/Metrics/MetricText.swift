// The text formats of metrics: Prometheus' own, version 0.0.4, and OpenMetrics, version 1.0.0.

/// A text format of metrics.
package enum MetricFormat: Sendable {
    case prometheus
    case openMetrics

    /// The format that a scraper asks for.
    ///
    /// - Parameter accept: the header field Accept.
    package init(accepting accept: String) {
        let ranges = accept.split(separator: ",").map { range in
            range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
        }
        let isWanted = ranges.contains { range in
            range.first == "application/openmetrics-text" && !range.contains { ["q=0", "q=0.0"].contains($0) }
        }
        self = isWanted ? .openMetrics : .prometheus
    }

    package var contentType: String {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }
}

extension Metric {
    /// All metrics.
    package static func allText(from sources: MetricSources, in format: MetricFormat) -> String {
        all.map { $0.text(from: sources, in: format) }.joined() + (format == .openMetrics ? "# EOF\n" : "")
    }

    /// Empty where there is no value now.
    private func text(from sources: MetricSources, in format: MetricFormat) -> String {
        let samples = samples(sources)
        guard !samples.isEmpty else { return "" }
        let family = familyName(in: format)
        var lines = ["# HELP \(family) \(help)", "# TYPE \(family) \(kind.rawValue)"]
        for sample in samples {
            let labels = sample.labels.map { "\($0.name)=\"\($0.value.labelEscaped)\"" }.joined(separator: ",")
            lines.append("\(name)\(sample.suffix)\(labels.isEmpty ? "" : "{\(labels)}") \(Self.number(sample.value))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// In OpenMetrics `_total` belongs to the sample of a counter and not to its name.
    private func familyName(in format: MetricFormat) -> String {
        let suffix = "_total"
        guard format == .openMetrics, kind == .counter, name.hasSuffix(suffix) else { return name }
        return String(name.dropLast(suffix.count))
    }

    private static func number(_ value: Double) -> String {
        Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}

extension String {
    /// The value of a label: both formats escape a backslash, a quote and a line feed.
    fileprivate var labelEscaped: String {
        escaped { scalar in
            switch scalar {
            case "\\": "\\\\"
            case "\"": "\\\""
            case "\n": "\\n"
            default: nil
            }
        }
    }
}
