// A metric: its name, type and meaning, and where its samples come from. MetricText and MetricJSON write it.

/// A metric's name, type and help text, and the source of its samples. All metrics are in `MetricTable.swift`.
package struct Metric: Sendable {
    enum Kind: String, Sendable { case counter, gauge, histogram }

    struct Sample {
        /// The suffix of the metric's name, as in a histogram.
        var suffix = ""
        var labels: [(name: String, value: String)] = []
        let value: Double
    }

    let name: String
    let kind: Kind
    /// One sentence.
    let help: String
    /// Further text for the reference.
    let details: String?
    /// The labels that distinguish samples, where there are several.
    let labels: [String]
    /// None where there is no value now.
    let samples: @Sendable (MetricSources) -> [Sample]

    private init(
        _ name: String, _ kind: Kind, _ help: String, _ details: String?, by labels: String...,
        samples: @escaping @Sendable (MetricSources) -> [Sample]
    ) {
        (self.name, self.kind, self.help, self.details) = (name, kind, help, details)
        (self.labels, self.samples) = (labels, samples)
    }
}

// MARK: - For the table

extension Metric {
    static func counter(
        _ name: String, _ help: String, details: String? = nil, _ value: @escaping @Sendable (MetricSources) -> Int64
    ) -> Metric {
        Metric(name, .counter, help, details) { [Sample(value: Double(value($0)))] }
    }

    static func gauge(
        _ name: String, _ help: String, details: String? = nil, _ value: @escaping @Sendable (MetricSources) -> Int64
    ) -> Metric {
        Metric(name, .gauge, help, details) { [Sample(value: Double(value($0)))] }
    }

    /// A gauge with a fraction, without a sample where there is no value.
    static func measure(
        _ name: String, _ help: String, details: String? = nil, _ value: @escaping @Sendable (MetricSources) -> Double?
    ) -> Metric {
        Metric(name, .gauge, help, details) { sources in value(sources).map { [Sample(value: $0)] } ?? [] }
    }

    /// A gauge with a sample for each value of a label that the configuration decides.
    static func gauges(
        _ name: String, _ help: String, details: String? = nil, by label: String,
        _ values: @escaping @Sendable (MetricSources) -> [(label: String, value: Int64)]
    ) -> Metric {
        Metric(name, .gauge, help, details, by: label) { sources in
            values(sources).map { Sample(labels: [(label, $0.label)], value: Double($0.value)) }
        }
    }

    /// A counter with a fraction.
    static func sum(
        _ name: String, _ help: String, details: String? = nil, _ value: @escaping @Sendable (MetricSources) -> Double
    ) -> Metric {
        Metric(name, .counter, help, details) { [Sample(value: value($0))] }
    }

    /// A counter with a sample for each value of a label, also for those without events: a rate needs their zero.
    static func counters<Label: CaseIterable & RawRepresentable<String> & Sendable>(
        _ name: String, _ help: String, details: String? = nil, by label: String,
        _ value: @escaping @Sendable (MetricSources, Label) -> Int64
    ) -> Metric {
        let cases = Array(Label.allCases)
        return Metric(name, .counter, help, details, by: label) { sources in
            cases.map { Sample(labels: [(label, $0.rawValue)], value: Double(value(sources, $0))) }
        }
    }

    /// A gauge of 1 with the information in its label.
    static func info(
        _ name: String, _ help: String, label: String, _ value: @escaping @Sendable (MetricSources) -> String
    ) -> Metric {
        Metric(name, .gauge, help, nil, by: label) { [Sample(labels: [(label, value($0))], value: 1)] }
    }

    /// A gauge with a sample for each login for which there is a value.
    static func byLogin(
        _ name: String, _ help: String, _ value: @escaping @Sendable (LoginMetrics.Reading) -> Double?
    ) -> Metric {
        Metric(name, .gauge, help, loginDetails, by: "user", "database") { sources in
            sources.eachLogin { reading, labels in
                value(reading).map { [Sample(labels: labels, value: $0)] } ?? []
            }
        }
    }

    /// A counter with a sample for each login and each value of a label.
    static func byLogin<Label: CaseIterable & RawRepresentable<String> & Sendable>(
        _ name: String, _ help: String, and label: String,
        _ value: @escaping @Sendable (LoginMetrics.Reading, Label) -> Int64
    ) -> Metric {
        let cases = Array(Label.allCases)
        return Metric(name, .counter, help, loginDetails, by: "user", "database", label) { sources in
            sources.eachLogin { reading, labels in
                cases.map { Sample(labels: labels + [(label, $0.rawValue)], value: Double(value(reading, $0))) }
            }
        }
    }

    private static let loginDetails = "Only with `[metrics] labels`, and with the labels that it names."

    static func histogram(
        _ name: String, _ help: String, details: String? = nil,
        _ histograms: @escaping @Sendable (MetricSources) -> [Histogram]
    ) -> Metric {
        Metric(name, .histogram, help, details) { samples(of: histograms($0)) }
    }

    private static func samples(of histograms: [Histogram]) -> [Sample] {
        var samples: [Sample] = []
        var total: Int64 = 0
        for (index, bound) in (Histogram.bounds.map { "\($0)" } + ["+Inf"]).enumerated() {
            total += histograms.reduce(0) { $0 + $1.counts[index].value }
            samples.append(Sample(suffix: "_bucket", labels: [("le", bound)], value: Double(total)))
        }
        let microseconds = histograms.reduce(0) { $0 + $1.sumOfMicroseconds.value }
        return samples + [
            Sample(suffix: "_sum", value: Double(microseconds) / 1e6), Sample(suffix: "_count", value: Double(total)),
        ]
    }
}

extension MetricSources {
    /// The samples of all logins, in order.
    fileprivate func eachLogin(
        _ samples: (LoginMetrics.Reading, [(name: String, value: String)]) -> [Metric.Sample]
    ) -> [Metric.Sample] {
        guard let logins else { return [] }
        return loginReadings.sorted { $0.key < $1.key }.flatMap { samples($0.value, logins.labels(of: $0.key)) }
    }
}
