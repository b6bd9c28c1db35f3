// The effect of a statement on its transaction or session, as told by the first word of its text.

/// The kind of a statement, which decides whether it may be cancelled and which statements its error affects.
public enum StatementKind: UInt8, Sendable {
    /// A statement that may be cancelled.
    case ordinary
    /// Several statements in one message, or one whose end is not known. It may be cancelled, as its error ends the
    /// whole message; but one of the statements may end a transaction block.
    case several
    /// A statement that controls the transaction or the session, such as BEGIN, SAVEPOINT, SET or DISCARD.
    case control
    /// COMMIT, END, PREPARE TRANSACTION, COMMIT PREPARED: a statement that commits.
    case commit
    /// ROLLBACK and ABORT, also to a savepoint or of a prepared transaction.
    case rollback

    /// The statement is never cancelled: it ends by itself, and the statements after it depend on it.
    @inlinable public var isControl: Bool { self == .control || self == .commit || self == .rollback }

    /// After an error in a transaction block, statements after this one can take effect again.
    package var mayEndBlock: Bool { self == .commit || self == .rollback || self == .several }

    /// The kind of two statements of one extended-protocol batch. The server does not report them separately before the
    /// Sync, so the one that runs can be the one that commits.
    package func joined(with other: StatementKind) -> StatementKind {
        if self == .commit || other == .commit { return .commit }
        return self == .ordinary && other == .ordinary ? .ordinary : .several
    }

    /// The kind of a statement that is one of two, and it is not known which: the more protected kind.
    func protecting(_ other: StatementKind) -> StatementKind {
        guard self != .commit, other != .commit else { return .commit }
        return isControl || self != .ordinary && !other.isControl ? self : other
    }

    /// The number of bytes of a message that are read. Comments before the first word are usually far shorter.
    package static let longestText = 1024

    /// The kind of a Query's text.
    ///
    /// - Parameters:
    ///   - text: up to `longestText` bytes of it, with its terminating zero byte if it is not longer.
    ///   - isReadWhole: it matters whether the text has several statements, so all of it is read. Otherwise this is
    ///     done only where the first one would be a `control`, `commit` or `rollback`.
    package init(ofQuery text: Span<UInt8>, isReadWhole: Bool) {
        let start = Self.firstWord(in: text)
        let first = Self.kind(ofWordAt: start, in: text)
        guard first != .ordinary || isReadWhole else {
            self = .ordinary
            return
        }
        self = Self.isOneStatement(text, from: start) ? first : .several
    }

    /// The kind of the text of a Parse. The server accepts one statement only.
    ///
    /// - Parameter text: as for a Query, and more bytes may follow its zero byte.
    package init(ofParsed text: Span<UInt8>) {
        self = Self.kind(ofWordAt: Self.firstWord(in: text), in: text)
    }

    // MARK: - Words

    /// Most texts begin with the first word.
    @inline(__always) private static func firstWord(in text: Span<UInt8>) -> Int {
        if text.count > 0, text[0] >= UInt8(ascii: "A") { return 0 }
        return skipBlanks(of: text, from: 0)
    }

    /// The first four letters distinguish most words and are read at once. Nearly every statement ends here.
    @inline(__always) private static func kind(ofWordAt offset: Int, in text: Span<UInt8>) -> StatementKind {
        guard let letters = text.bigEndianUInt32(at: offset) else { return .ordinary }
        switch letters | 0x2020_2020 {
        case 0x6265_6769: return word("begin", at: offset, in: text) ? .control : .ordinary
        case 0x7374_6172: return word("start", at: offset, in: text) ? .control : .ordinary
        case 0x7361_7665: return word("savepoint", at: offset, in: text) ? .control : .ordinary
        case 0x7265_6c65: return word("release", at: offset, in: text) ? .control : .ordinary
        case 0x7265_7365: return word("reset", at: offset, in: text) ? .control : .ordinary
        case 0x6469_7363: return word("discard", at: offset, in: text) ? .control : .ordinary
        case 0x6c69_7374: return word("listen", at: offset, in: text) ? .control : .ordinary
        case 0x756e_6c69: return word("unlisten", at: offset, in: text) ? .control : .ordinary
        case 0x6465_616c: return word("deallocate", at: offset, in: text) ? .control : .ordinary
        case 0x636f_6d6d: return word("commit", at: offset, in: text) ? .commit : .ordinary
        case 0x726f_6c6c: return word("rollback", at: offset, in: text) ? .rollback : .ordinary
        case 0x6162_6f72: return word("abort", at: offset, in: text) ? .rollback : .ordinary
        case 0x7072_6570: return preparesTransaction(offset, in: text) ? .commit : .ordinary
        case 0x7365_7400...0x7365_74ff: return word("set", at: offset, in: text) ? .control : .ordinary
        case 0x656e_6400...0x656e_64ff: return word("end", at: offset, in: text) ? .commit : .ordinary
        default: return .ordinary
        }
    }

    /// Whether the statement is `PREPARE TRANSACTION`, not `PREPARE`.
    private static func preparesTransaction(_ offset: Int, in text: Span<UInt8>) -> Bool {
        guard word("prepare", at: offset, in: text) else { return false }
        return word("transaction", at: skipBlanks(of: text, from: offset + "prepare".utf8.count), in: text)
    }

    /// Whether the whole word at `offset` is `word`, which is in lower case.
    @inline(never) private static func word(_ word: String, at offset: Int, in text: Span<UInt8>) -> Bool {
        let end = offset + word.utf8.count
        guard end <= text.count else { return false }
        var position = offset
        for letter in word.utf8 {
            guard text[position] | 0x20 == letter else { return false }
            position += 1
        }
        return end == text.count || !isPartOfWord(text[end])
    }

    private static func isPartOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), 0x80...:
            true
        default: false
        }
    }

    // MARK: - Blanks, comments and strings

    /// The offset of the next token, after white space, comments and semicolons, which are empty statements.
    @inline(never) private static func skipBlanks(of text: Span<UInt8>, from start: Int) -> Int {
        var offset = start
        while offset < text.count {
            switch text[offset] {
            case UInt8(ascii: " "), 0x09...0x0d, UInt8(ascii: ";"): offset += 1
            case UInt8(ascii: "-"), UInt8(ascii: "/"):
                let end = endOfComment(in: text, at: offset)
                guard end > offset else { return offset }
                offset = end
            default: return offset
            }
        }
        return offset
    }

    /// The end of the comment that begins at `start`; `start` if there is none.
    private static func endOfComment(in text: Span<UInt8>, at start: Int) -> Int {
        guard start + 1 < text.count else { return start }
        switch (text[start], text[start + 1]) {
        case (UInt8(ascii: "-"), UInt8(ascii: "-")):
            var offset = start + 2
            while offset < text.count, !endsLine(text[offset]) { offset += 1 }
            return offset
        case (UInt8(ascii: "/"), UInt8(ascii: "*")): return endOfBlockComment(in: text, at: start)
        default: return start
        }
    }

    /// As in PostgreSQL's scan.l.
    private static func endsLine(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || byte == 0
    }

    /// SQL allows nested comments.
    private static func endOfBlockComment(in text: Span<UInt8>, at start: Int) -> Int {
        var (offset, depth) = (start, 0)
        while offset + 1 < text.count {
            switch (text[offset], text[offset + 1]) {
            case (UInt8(ascii: "/"), UInt8(ascii: "*")): (offset, depth) = (offset + 2, depth + 1)
            case (UInt8(ascii: "*"), UInt8(ascii: "/")): (offset, depth) = (offset + 2, depth - 1)
            default: offset += 1
            }
            if depth == 0 { return offset }
        }
        return text.count
    }

    /// Whether the text from `start` on is one statement and ends within `text`. In doubt it is not: a semicolon in a
    /// dollar-quoted string counts, and so does a backslash in quotes, which may or may not escape the next character.
    private static func isOneStatement(_ text: Span<UInt8>, from start: Int) -> Bool {
        var offset = start
        while offset < text.count {
            switch text[offset] {
            case 0: return true
            case UInt8(ascii: ";"):
                let next = skipBlanks(of: text, from: offset)
                return next < text.count && text[next] == 0
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                guard let end = endOfQuotes(in: text, at: offset) else { return false }
                offset = end
            case UInt8(ascii: "-"), UInt8(ascii: "/"): offset = max(endOfComment(in: text, at: offset), offset + 1)
            default: offset += 1
            }
        }
        return false
    }

    /// A doubled quote ends a string and begins the next, which has the same result.
    private static func endOfQuotes(in text: Span<UInt8>, at start: Int) -> Int? {
        var offset = start + 1
        while offset < text.count {
            if text[offset] == text[start] { return offset + 1 }
            if text[offset] == UInt8(ascii: "\\") { return nil }
            offset += 1
        }
        return nil
    }
}
