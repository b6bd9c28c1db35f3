// The formats of log lines, by their names in the configuration.

/// The format of log lines.
package enum LogFormat: String, CaseIterable, Sendable {
    /// The format that fits the kind of standard error.
    case auto
    case text
    case logfmt
    case json
    case journal
}
