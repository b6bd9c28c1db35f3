// The formats of a log line. What is logged, and when, is the callers'; where the line goes is LogOutput's, in Proxy.

import Logging

/// A line of the log before it has a format.
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

/// How a record becomes a line.
package enum LogLayout: String, CaseIterable, Sendable {
    /// For people: time, level, message, fields as in `logfmt`.
    case text
    /// `key=value` pairs, separated by spaces.
    case logfmt
    /// One JSON object a line; numbers are numbers.
    case json
    /// For journald: the priority of sd-daemon(3) in place of time and level, which the journal has itself.
    case journal

    /// The line, with its end.
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
        let members = (heading + record.fields).map { "\($0.name.jsonText):\($0.value.jsonText)" }
        return "{\(members.joined(separator: ","))}\n"
    }
}

extension Logger.Level {
    /// syslog(3)'s.
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
    /// Without what could end a line or steer a terminal.
    fileprivate var printable: String {
        unicodeScalars.contains(where: \.isHarmful) ? escaped { "\\u{\(String($0.value, radix: 16))}" } : self
    }

    fileprivate var jsonText: String { "\"\(escaped(by: \.jsonEscape))\"" }

    fileprivate func escaped(by escape: (Unicode.Scalar) -> String?) -> String {
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
    fileprivate var isHarmful: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .format: true
        default: false
        }
    }

    /// RFC 8259 asks for less; the rest may stand as it is, but must not reach a terminal.
    fileprivate var jsonEscape: String? {
        switch self {
        case "\"": return "\\\""
        case "\\": return "\\\\"
        default: break
        }
        guard isHarmful else { return nil }
        return String(self).utf16.map { unit in
            let digits = String(unit, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }.joined()
    }
}

extension [LogField] {
    /// `key=value` pairs.
    var logfmtText: String { map { "\($0.name)=\($0.value.logfmtText)" }.joined(separator: " ") }
}

extension LogField.Value {
    /// Quoted only where a reader would not know where it ends. Quoted values have the escapes of JSON, which readers
    /// of logfmt know.
    fileprivate var logfmtText: String {
        guard case .text(let text) = self else { return "\(self)" }
        let isBare =
            !text.isEmpty && text.unicodeScalars.allSatisfy { !$0.isHarmful && !" \"=\\".unicodeScalars.contains($0) }
        return isBare ? text : text.jsonText
    }

    fileprivate var jsonText: String {
        guard case .text(let text) = self else { return "\(self)" }
        return text.jsonText
    }
}
