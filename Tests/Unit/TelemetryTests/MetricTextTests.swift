// The text formats of metrics.

import Testing

@testable import Telemetry

@Suite struct `Metrics` {
    @Test(arguments: [
        ("", MetricFormat.prometheus), ("*/*", .prometheus), ("text/plain;version=0.0.4", .prometheus),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics),
        ("text/html, Application/OpenMetrics-Text ; q=0.5", .openMetrics),
        ("application/openmetrics-text;q=0", .prometheus), ("application/openmetrics-textual", .prometheus),
    ])
    func `are in OpenMetrics only where a scraper asks for it`(accept: String, format: MetricFormat) {
        #expect(MetricFormat(accepting: accept) == format)
    }

    private var sources: MetricSources {
        var sources = MetricSources(counters: [Counters()])
        sources.version = "1\\2\"3\n4"
        sources.oldestQuery = .milliseconds(1500)
        return sources
    }

    private func lines(_ format: MetricFormat) -> [Substring] {
        Metric.allText(from: sources, in: format).split(separator: "\n")
    }

    @Test func `escape the values of labels`() {
        #expect(lines(.prometheus).contains(#"pgleash_build_info{version="1\\2\"3\n4"} 1"#))
    }

    @Test func `have a fraction where there is one`() {
        #expect(lines(.prometheus).contains("pgleash_query_oldest_seconds 1.5"))
    }

    @Test func `have no sample of a value that is not there`() {
        let text = Metric.allText(from: MetricSources(counters: []), in: .prometheus)
        #expect(!text.contains("pgleash_query_oldest_seconds") && !text.contains("not_after"))
    }

    @Test func `differ in OpenMetrics in the names of counters and in the last line`() {
        let (prometheus, openMetrics) = (lines(.prometheus), lines(.openMetrics))
        #expect(prometheus.contains("# TYPE pgleash_cancels_failed_total counter"))
        #expect(openMetrics.contains("# TYPE pgleash_cancels_failed counter"))
        #expect(openMetrics.contains("pgleash_cancels_failed_total 0"))
        #expect(openMetrics.last == "# EOF" && prometheus.last != "# EOF")
        #expect(openMetrics.filter { !$0.hasPrefix("#") } == prometheus.filter { !$0.hasPrefix("#") })
    }

    @Test func `have names by the rules of Prometheus`() {
        for metric in Metric.all {
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
        }
        #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
    }
}
