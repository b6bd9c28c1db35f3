// Conversion of names to text for the log and the report, and comparison with words of the protocol.

/// A name for the log and the report: cut to PostgreSQL's length, and without control characters.
func clippedName(_ value: Span<UInt8>) -> String {
    let value = value.extracting(0..<Identifier.keptLength(of: value))
    let isPrintable = value.indices.allSatisfy { (0x20..<0x7f).contains(value[$0]) }
    if isPrintable, let text = try? UTF8Span(validating: value) { return String(copying: text) }
    // Any client can choose its name, which must not add lines to the log.
    var name = String.UnicodeScalarView()
    for scalar in String(decoding: value.copied(), as: UTF8.self).unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: name.append("?")
        default: name.append(scalar)
        }
    }
    return String(name)
}

extension Span<UInt8> {
    /// Whether the bytes are those of `text`, which is ASCII.
    @inline(__always) func spell(_ text: String) -> Bool {
        spell(text, normalized: { $0 })
    }

    /// Whether the bytes are those of `text`, which is in lower case, regardless of their case.
    @inline(__always) func spellIgnoringCase(_ text: String) -> Bool {
        spell(text, normalized: { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 })
    }

    /// Whether the bytes begin with `text`, which is in lower case, regardless of their case.
    func beginsIgnoringCase(with text: String) -> Bool {
        let length = text.utf8.count
        return count >= length && extracting(0..<length).spellIgnoringCase(text)
    }

    @inline(__always) private func spell(_ text: String, normalized: (UInt8) -> UInt8) -> Bool {
        guard count == text.utf8.count else { return false }
        var offset = 0
        for byte in text.utf8 {
            guard normalized(self[offset]) == byte else { return false }
            offset += 1
        }
        return true
    }

    /// The range of the value in the body of a ParameterStatus, two zero-terminated strings; nil if it is not that of
    /// application_name.
    var applicationName: Range<Int>? {
        let start = applicationNameParameter.count
        guard count > start, (0..<start).allSatisfy({ self[$0] == applicationNameParameter[$0] }) else { return nil }
        var end = start
        while end < count, self[end] != 0 { end += 1 }
        return start..<end
    }
}

/// Bytes, as they are compared at the start of each session.
private let applicationNameParameter = Array("application_name\0".utf8)
