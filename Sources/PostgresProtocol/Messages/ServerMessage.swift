// The contents of an ErrorResponse or a NoticeResponse: its code and its text.

/// The fields that pgleash reads; empty where the message has none.
package struct ServerMessage: Hashable, Sendable {
    /// The SQLSTATE, from PostgreSQL's appendix "PostgreSQL Error Codes".
    package private(set) var sqlState = ""
    /// The text, in the server's language.
    package private(set) var text = ""

    /// - Parameter body: the body or its beginning, which contains the code and most often the text: zero-terminated
    ///   strings, each after a byte for its type.
    package init(body: Span<UInt8>) {
        for field in body.copied().split(separator: 0) {
            switch field.first {
            case UInt8(ascii: "C"): sqlState = String(decoding: field.dropFirst(), as: UTF8.self)
            case UInt8(ascii: "M"): text = String(decoding: field.dropFirst(), as: UTF8.self)
            default: break
            }
        }
    }

    /// Whether the server ends the session with this ErrorResponse or NoticeResponse: it is fatal, or it is the warning
    /// with which PostgreSQL's routine `quickdie` exits at once: at an immediate shutdown, or with the code
    /// `crash_shutdown` after the crash of another session, whose text is so long that the routine's name is not kept.
    ///
    /// A fatal error of the class "Connection Exception" can end the connection only: a pooler sends it when it has
    /// lost its server, or when it leaves a query behind (PgBouncer at `query_timeout`). Errors of PostgreSQL contain
    /// the routine that reported them (`R`), those of a pooler do not.
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

    /// Whether the severity is FATAL or PANIC, in the server's language or, since PostgreSQL 9.6, in English.
    private static func saysFatal(_ field: Span<UInt8>) -> Bool {
        field.begins(with: "VFATAL") || field.begins(with: "VPANIC") || field.begins(with: "SFATAL")
    }

    /// `warning`, the code of warnings without a code of their own, also of a commit that did not wait for its standby.
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
