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

    /// `warning`, the code of one that has no other: also that a commit did not wait for its standby.
    package static let warning: String = "01000"

    /// `query_canceled`, the error of a statement that was cancelled.
    package static let queryCanceled: String = "57014"
}
