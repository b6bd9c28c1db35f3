// The formats of a log line. The callers decide what is logged, and LogOutput in Proxy writes the lines.

import Logging

/// A log line before it is formatted.
package struct LogRecord: Sendable {
    /// As in RFC 3339.
    let time: String
    package let level: Logger.Level
    let message: String
    let fields: [LogField]

    package init(time: String, level: Logger.Level, message: String, fields: [LogField] = []) {
        (self.time, self.level, self.message, self.fields) = (time, level, message, fields)
    }
}

/// The formats of a record.
package enum LogLayout: String, CaseIterable, Sendable {
    /// For people: time, level, message, and fields as in `logfmt`.
    case text
    /// `key=value` pairs, separated by spaces.
    case logfmt
    /// One JSON object a line; numbers are numbers.
    case json
    /// For journald: the priority of sd-daemon(3) instead of time and level, which the journal has itself.
    case journal

    /// The line with its line break.
    package func line(_ record: LogRecord) -> String {
        let fields = record.fields.isEmpty ? "" : " " + record.fields.logfmtText
        switch self {
        case .text: return "\(record.time) \(record.level) \(record.message.printable)\(fields)\n"
        case .logfmt:
            let message = LogField.Value.text(record.message).logfmtText
            return "time=\(record.time) level=\(record.level) msg=\(message)\(fields)\n"
        case .json: return jsonLine(record)
        case .journal: return "<\(record.level.journalPriority)>\(record.message.printable)\(fields)\n"
        }
    }

    private func jsonLine(_ record: LogRecord) -> String {
        let heading: [LogField] = [
            LogField("time", .text(record.time)), LogField("level", .text("\(record.level)")),
            LogField("msg", .text(record.message)),
        ]
        return JSON.object((heading + record.fields).map(\.json)).text + "\n"
    }
}

extension Logger.Level {
    /// The priority of syslog(3).
    fileprivate var journalPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

extension String {
    /// The text without characters that could end a line or control a terminal.
    fileprivate var printable: String {
        unicodeScalars.contains(where: \.isHarmful) ? escaped { "\\u{\(String($0.value, radix: 16))}" } : self
    }

    /// The text with `escape` of each scalar for which this is not nil.
    func escaped(by escape: (Unicode.Scalar) -> String?) -> String {
        var text = ""
        for scalar in unicodeScalars {
            if let escape = escape(scalar) { text += escape } else { text.unicodeScalars.append(scalar) }
        }
        return text
    }

    private func escaped(_ escape: (Unicode.Scalar) -> String) -> String {
        escaped { $0.isHarmful ? escape($0) : nil }
    }
}

extension Unicode.Scalar {
    /// It could end a line or control a terminal.
    var isHarmful: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .format: true
        default: false
        }
    }
}

extension [LogField] {
    /// `key=value` pairs.
    var logfmtText: String { map { "\($0.name)=\($0.value.logfmtText)" }.joined(separator: " ") }
}

extension LogField.Value {
    /// The value is quoted only where its end would be ambiguous. Quoted values have the escapes of JSON, which readers
    /// of logfmt support.
    fileprivate var logfmtText: String {
        guard case .text(let text) = self else { return "\(self)" }
        let isBare =
            !text.isEmpty && text.unicodeScalars.allSatisfy { !$0.isHarmful && !" \"=\\".unicodeScalars.contains($0) }
        return isBare ? text : text.jsonText
    }
}
