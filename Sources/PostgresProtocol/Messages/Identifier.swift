// A name as PostgreSQL stores it. Comparisons of names use this type, not texts for display.

/// The bytes of a name of a user, a database or an application, cut as PostgreSQL cuts it.
package struct Identifier: Hashable, Sendable {
    /// PostgreSQL keeps NAMEDATALEN - 1 bytes of a name.
    package static let longest = 63

    package let bytes: [UInt8]

    /// - Parameter name: a name of any length, as a client sends it.
    package init(_ name: Span<UInt8>) {
        bytes = name.extracting(0..<Self.keptLength(of: name)).copied()
    }

    package init(_ name: String) {
        self.init(Array(name.utf8).span)
    }

    /// Whether the server reports the name as `text`: unchanged, or in the form in which `pg_clean_ascii` leaves an
    /// application_name, with a `?` (before PostgreSQL 16) or `\xNN` for each byte that is not printable ASCII.
    package func isReported(as text: String) -> Bool {
        let reported = Array(text.utf8)
        if reported == bytes { return true }
        let isClean = { (byte: UInt8) in (0x20...0x7e).contains(byte) }
        if reported == bytes.map({ isClean($0) ? $0 : UInt8(ascii: "?") }) { return true }
        let escaped = bytes.flatMap {
            isClean($0) ? [$0] : Array("\\x\(String(0x100 | UInt32($0), radix: 16).dropFirst())".utf8)
        }
        return reported == Array(escaped.prefix(Self.longest))
    }

    /// The number of bytes of `name` that PostgreSQL keeps. Where the name is UTF-8 these are whole characters, as in
    /// `truncate_identifier`. PostgreSQL knows the encoding of the database, and a proxy does not.
    static func keptLength(of name: Span<UInt8>) -> Int {
        guard name.count > longest else { return name.count }
        guard String(validating: name.copied(), as: UTF8.self) != nil else { return longest }
        var length = longest
        while name[length] & 0b1100_0000 == 0b1000_0000 { length -= 1 }
        return length
    }
}
