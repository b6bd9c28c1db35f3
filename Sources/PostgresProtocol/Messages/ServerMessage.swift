// What an ErrorResponse or a NoticeResponse says: its code and its text.

/// The fields of one that pgleash reads; empty where the message has none.
package struct ServerMessage: Hashable, Sendable {
    /// The SQLSTATE, of PostgreSQL's appendix "PostgreSQL Error Codes".
    package private(set) var sqlState = ""
    /// The text, in the server's language.
    package private(set) var text = ""

    /// - Parameter body: the body, or the beginning of it, where the code is, and most often the text: zero-terminated
    ///   strings, each after a byte that says what it is.
    package init(body: Span<UInt8>) {
        for field in body.copied().split(separator: 0) {
            switch field.first {
            case UInt8(ascii: "C"): sqlState = String(decoding: field.dropFirst(), as: UTF8.self)
            case UInt8(ascii: "M"): text = String(decoding: field.dropFirst(), as: UTF8.self)
            default: break
            }
        }
    }

    /// The server ends the session with this ErrorResponse or NoticeResponse: it is fatal, or it is the warning with
    /// which PostgreSQL's routine `quickdie` leaves at once: at an immediate shutdown, or `crash_shutdown` when another
    /// session crashed, which is so long that the routine's name isn't kept.
    ///
    /// A fatal error of the class "Connection Exception" may end the connection alone: a pooler says it that has
    /// lost its server, or that leaves a query behind (PgBouncer at `query_timeout`). PostgreSQL's own have the routine
    /// that reported them (`R`), a pooler's have not.
    package static func endsSession(_ body: Span<UInt8>) -> Bool {
        var (start, isFatal, isOfConnection, hasRoutine) = (0, false, false, false)
        for offset in 0..<body.count where body[offset] == 0 {
            let field = body.extracting(start..<offset)
            if field.begins(with: "C57P02") { return true }
            if field.begins(with: "Rquickdie") { return true }
            if field.begins(with: "C08") { isOfConnection = true }
            if field.begins(with: "R") { hasRoutine = true }
            isFatal = isFatal || saysFatal(field)
            start = offset + 1
        }
        return isFatal && (!isOfConnection || hasRoutine)
    }

    /// The severity, in the server's language or, since PostgreSQL 9.6, in English.
    private static func saysFatal(_ field: Span<UInt8>) -> Bool {
        field.begins(with: "VFATAL") || field.begins(with: "VPANIC") || field.begins(with: "SFATAL")
    }

    /// `warning`, the code of one that has no other: also that a commit did not wait for its standby.
    package static let warning: String = "01000"

    /// `query_canceled`, the error of a statement that was cancelled.
    package static let queryCanceled: String = "57014"
}

extension Span<UInt8> {
    fileprivate func begins(with text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount else { return false }
        return text.description.utf8.enumerated().allSatisfy { self[$0.offset] == $0.element }
    }
}
