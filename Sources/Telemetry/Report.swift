// The report SIGUSR1 asks for: all metrics in Prometheus' text format, then the live sessions as comments.

/// A report at one time.
package struct Report {
    let metrics: [Metric]
    let sessions: [SessionSnapshot]

    package init(metrics: [Metric], sessions: [SessionSnapshot]) {
        (self.metrics, self.sessions) = (metrics, sessions)
    }

    /// Valid for `promtool check metrics`: to Prometheus the sessions are comments.
    package var text: String {
        let lines = sessions.sorted(by: SessionSnapshot.isListedBefore).map { "# session \($0.line)\n" }
        let heading = "# live sessions: \(sessions.count), the longest-running query first\n"
        return metrics.map(\.text).joined() + heading + lines.joined()
    }
}
