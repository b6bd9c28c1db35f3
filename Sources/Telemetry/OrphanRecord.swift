// One orphan that has ended, as the report shows it.

/// What a log line said about an orphan.
package struct OrphanRecord: Sendable {
    let time: String
    let fields: [LogField]

    /// - Parameter time: of its end, as in RFC 3339.
    package init(time: String, fields: [LogField]) {
        (self.time, self.fields) = (time, fields)
    }

    /// One line, without its end.
    package var line: String { ([LogField("time", .text(time))] + fields).logfmtText }
}
