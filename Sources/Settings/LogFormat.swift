// The formats of log lines, by their names in the configuration.

/// How log lines are written.
package enum LogFormat: String, CaseIterable, Sendable {
    /// As fits what standard error is.
    case auto
    case text
    case logfmt
    case json
    case journal
}
