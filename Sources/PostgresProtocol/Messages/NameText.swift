// Names as texts: for the log and the report, and for comparison with words of the protocol.

/// A name for the log and the report: cut as PostgreSQL cuts it, and harmless.
func clippedName(_ value: Span<UInt8>) -> String {
    let bytes = Identifier(value).bytes
    // Names come from anybody who can connect; none shall write lines of its own into a log.
    guard bytes.contains(where: { $0 < 0x20 || $0 >= 0x7f }) else { return String(decoding: bytes, as: UTF8.self) }
    var name = String.UnicodeScalarView()
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: name.append("?")
        default: name.append(scalar)
        }
    }
    return String(name)
}

extension Span<UInt8> {
    /// The bytes are those of `text`, which is ASCII.
    func spell(_ text: String) -> Bool {
        spell(text, normalized: { $0 })
    }

    /// The same for `text` in lower case, whatever the case of the bytes.
    func spellIgnoringCase(_ text: String) -> Bool {
        spell(text, normalized: { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 })
    }

    /// `text`, which is in lower case, stands somewhere in the bytes, whatever their case.
    func contains(_ text: String) -> Bool {
        let length = text.utf8.count
        guard let first = text.utf8.first, count >= length else { return false }
        return (0...count - length).contains { start in
            self[start] | 0x20 == first && extracting(start..<start + length).spellIgnoringCase(text)
        }
    }

    private func spell(_ text: String, normalized: (UInt8) -> UInt8) -> Bool {
        guard count == text.utf8.count else { return false }
        var offset = 0
        for byte in text.utf8 {
            guard normalized(self[offset]) == byte else { return false }
            offset += 1
        }
        return true
    }

    /// Where the value stands in a ParameterStatus's body, two zero-terminated strings, if it is that of `name`.
    func value(ofParameter name: String) -> Range<Int>? {
        let start = name.utf8.count + 1
        guard count > start, self[start - 1] == 0, extracting(0..<start - 1).spell(name) else { return nil }
        var end = start
        while end < count, self[end] != 0 { end += 1 }
        return start..<end
    }
}
