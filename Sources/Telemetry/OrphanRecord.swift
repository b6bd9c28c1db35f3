// An orphan that has ended, as the report shows it.

/// The fields of the log line about an orphan.
package struct OrphanRecord: Sendable {
    let time: String
    let fields: [LogField]

    /// - Parameter time: the time of its end, as in RFC 3339.
    package init(time: String, fields: [LogField]) {
        (self.time, self.fields) = (time, fields)
    }

    /// The text in one line, without a line break.
    package var line: String { ([LogField("time", .text(time))] + fields).logfmtText }

    package var json: JSON { .object([("time", .text(time))] + fields.map(\.json)) }
}
