// JSON text: values of any kind, and names that clients chose.

import Foundation
import Testing

@testable import Telemetry

@Suite struct `JSON text` {
    @Test func `has each kind of value`() {
        let value = JSON.object([
            ("null", .null), ("bool", .bool(true)), ("integer", .integer(-3)), ("decimal", .decimal(1.5)),
            ("infinite", .decimal(.infinity)), ("list", .array([.text("a"), .bool(false)])), ("empty", .object([])),
            ("time", .seconds(.milliseconds(61_204))), ("none", .optional(nil as Int?) { .number($0) }),
            ("large", .number(UInt64.max)),
        ])
        #expect(
            value.text
                == #"{"null":null,"bool":true,"integer":-3,"decimal":1.5,"infinite":null,"list":["a",false],"#
                + #""empty":{},"time":61.204,"none":null,"large":9223372036854775807}"#
        )
    }

    @Test(arguments: [
        "plain", "\"quoted\" \\ ", "</script><script>alert(1)</script>", "\u{0}\u{1}\u{1f}\u{7f}\u{9f}",
        "line\nfeed\r\t", "\u{2028}\u{2029}\u{202e}\u{feff}", "größe 🐘", "\u{fffd}", "",
    ])
    func `is read as the same text, and has no control characters`(_ text: String) throws {
        let json = JSON.object([(text, .text(text))]).text
        #expect(json.unicodeScalars.allSatisfy { !$0.isHarmful })
        let read = try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
        #expect(read.count == 1)
        #expect(read[text].map { Array($0.unicodeScalars) } == Array(text.unicodeScalars))
    }
}
