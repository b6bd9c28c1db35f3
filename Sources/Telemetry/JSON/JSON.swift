// JSON text (RFC 8259). Values are made in Swift only; pgleash reads no JSON.

/// A JSON value. The members of an object keep their order.
package enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// A number that is not finite becomes null.
    case decimal(Double)
    case text(String)
    case array([JSON])
    case object([(name: String, value: JSON)])

    package var text: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let number): text += "\(number)"
        case .decimal(let number): text += number.isFinite ? "\(number)" : "null"
        case .text(let value): text += value.jsonText
        case .array(let elements): Self.write(elements, between: "[", "]", to: &text) { $0.write(to: &$1) }
        case .object(let members):
            Self.write(members, between: "{", "}", to: &text) { member, text in
                text += "\(member.name.jsonText):"
                member.value.write(to: &text)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], between opening: String, _ closing: String, to text: inout String,
        _ write: (Element, inout String) -> Void
    ) {
        text += opening
        for (index, element) in elements.enumerated() {
            if index > 0 { text += "," }
            write(element, &text)
        }
        text += closing
    }
}

extension JSON {
    package static func number(_ number: some BinaryInteger) -> JSON { .integer(Int64(clamping: number)) }

    /// Seconds, with three decimals.
    package static func seconds(_ duration: Duration) -> JSON {
        .decimal((duration / .milliseconds(1)).rounded() / 1000)
    }

    /// The value, or null where there is none.
    package static func optional<Value>(_ value: Value?, _ json: (Value) -> JSON) -> JSON {
        value.map(json) ?? .null
    }
}

extension String {
    /// A string of JSON. RFC 8259 requires fewer escapes; the others protect terminals.
    var jsonText: String {
        let isPlain = utf8.allSatisfy {
            (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        return isPlain ? "\"\(self)\"" : "\"\(escaped(by: \.jsonEscape))\""
    }
}

extension Unicode.Scalar {
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
