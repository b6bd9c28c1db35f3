// The report that SIGUSR1 requests: all metrics in Prometheus' text format, then the live sessions and the last orphans
// as comments.

/// The report at one time.
package struct Report {
    let metrics: MetricSources
    let sessions: [SessionSnapshot]
    let orphans: [OrphanRecord]

    /// - Parameter orphans: the last orphans, the newest first.
    package init(metrics: MetricSources, sessions: [SessionSnapshot], orphans: [OrphanRecord] = []) {
        (self.metrics, self.sessions, self.orphans) = (metrics, sessions, orphans)
    }

    /// The text is valid for `promtool check metrics`: for Prometheus the sessions are comments.
    package var text: String {
        let lines = sessions.sorted(by: SessionSnapshot.isListedBefore).map { "# session \($0.line)\n" }
        let heading = "# live sessions: \(sessions.count), the longest-running query first\n"
        return Metric.allText(from: metrics, in: .prometheus) + heading + lines.joined() + orphanLines.joined()
    }

    private var orphanLines: [String] {
        ["# last orphans: \(orphans.count), the newest first\n"] + orphans.map { "# orphan \($0.line)\n" }
    }
}
