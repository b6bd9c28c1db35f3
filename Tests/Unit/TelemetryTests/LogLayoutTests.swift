// The formats of log lines.

import Foundation
import Logging
import Testing

@testable import Telemetry

@Suite struct `A log line` {
    private let record = LogRecord(
        time: "2026-11-30T03:12:04.123Z", level: .warning, message: "orphan reaped",
        fields: [
            LogField("user", .text("app")), LogField("database", .text("my shop")), LogField("pid", .integer(42)),
            LogField("reap_ms", .decimal(11.4)), LogField("reason", .text("")),
        ]
    )

    @Test(arguments: [
        (LogLayout.text, #"2026-11-30T03:12:04.123Z warning orphan reaped user=app database="my shop" pid=42 "#),
        (
            .logfmt,
            #"time=2026-11-30T03:12:04.123Z level=warning msg="orphan reaped" user=app database="my shop" pid=42 "#
        ),
        (.journal, #"<4>orphan reaped user=app database="my shop" pid=42 "#),
    ])
    func `has the message first, then the fields, quoted where they need it`(layout: LogLayout, expected: String) {
        #expect(layout.line(record) == expected + "reap_ms=11.4 reason=\"\"\n")
    }

    @Test func `is one JSON object with numbers as numbers`() throws {
        let line = LogLayout.json.line(record)
        #expect(line.hasPrefix(#"{"time":"2026-11-30T03:12:04.123Z","level":"warning","msg":"orphan reaped","user":"#))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["pid"] as? Int == 42)
        #expect(object["reap_ms"] as? Double == 11.4)
        #expect(object["database"] as? String == "my shop")
    }

    @Test(arguments: [
        "two\nlines", "\u{1b}[31m", "quo\"te", "back\\slash", "a=b", "\u{2028}", "\u{202e}", "emoji 🦊", "\0",
        "\u{e0001}",
    ])
    func `cannot be broken or forged by a name`(name: String) throws {
        let record = LogRecord(
            time: "t", level: .info, message: name,
            fields: [LogField("user", .text(name)), LogField("pid", .integer(1))]
        )
        for layout in LogLayout.allCases {
            let line = layout.line(record)
            #expect(line.count { $0.isNewline } == 1)
            let harmful = line.dropLast().unicodeScalars.filter {
                [.control, .format, .lineSeparator].contains($0.properties.generalCategory)
            }
            #expect(harmful.isEmpty, "\(layout)")
            if layout != .json { #expect(line.hasSuffix(" pid=1\n")) }
        }
        let json = LogLayout.json.line(record)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["user"] as? String == name)
    }

    @Test(arguments: zip(Logger.Level.allCases, [7, 7, 6, 5, 4, 3, 2]))
    func `has the priority of its level in the journal`(level: Logger.Level, priority: Int) {
        #expect(LogLayout.journal.line(LogRecord(time: "", level: level, message: "m")) == "<\(priority)>m\n")
    }
}

@Suite struct `The fields of a line` {
    @Test func `have a fixed order, and unknown ones come last`() {
        let metadata: Logger.Metadata = [
            "zebra": "1", "outcome": "cancelled", "pid": .number(7), "client": "c", "apple": "2", "user": "u",
            "reap_ms": .milliseconds(.microseconds(1_250)),
        ]
        let fields = LogField.fields(of: metadata)
        #expect(fields.map(\.name) == ["client", "user", "pid", "reap_ms", "outcome", "apple", "zebra"])
        #expect(fields[2].value == .integer(7))
        #expect(fields[3].value == .decimal(1.3))
    }
}
