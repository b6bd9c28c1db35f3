// The report SIGUSR1 asks for: all metrics in Prometheus' text format, then the live sessions as comments.

import Reactor

/// A report at one time.
struct Report {
    let metrics: [Metric]
    let sessions: [SessionSnapshot]

    /// Valid for `promtool check metrics`: to Prometheus the sessions are comments.
    var text: String {
        let lines = sessions.sorted(by: SessionSnapshot.isListedBefore).map { "# session \($0.line)\n" }
        let heading = "# live sessions: \(sessions.count), the longest-running query first\n"
        return metrics.map(\.text).joined() + heading + lines.joined()
    }

    /// Writes the report to `file`, in one step for whoever reads it, or to standard error.
    func write(to file: String?) throws(ReplacementError) {
        guard let file else { return writeToStandardError(text) }
        try ReplaceableFile(at: file).replace(with: text)
    }
}
