// The kinds of a session's prepared statements, so that a Bind tells what the Execute after it will do.

/// Remembers those that are never cancelled; every other statement is an ordinary one.
package struct PreparedStatements: Hashable, Sendable {
    private var unnamed = StatementKind.ordinary
    private var named: [[UInt8]: StatementKind] = [:]

    /// So many names are remembered, each of at most so many bytes. Applications prepare few statements that control a
    /// transaction, and drivers name them shortly.
    private static let mostNames = 64
    private static let longestName = 63

    package init() {}

    /// - Parameter body: the beginning of a Parse's body: the name, the text.
    package mutating func parsed(_ body: Span<UInt8>) {
        guard let nameEnd = Self.endOfString(in: body, from: 0) else { return }
        let kind = StatementKind(ofParsed: body.extracting((nameEnd + 1)...))
        guard nameEnd > 0 else { return unnamed = kind }
        // Nearly always there is nothing to remember or to forget.
        guard kind != .ordinary || !named.isEmpty else { return }
        let name = body.extracting(0..<nameEnd).copied()
        if kind == .ordinary {
            named[name] = nil
        } else if nameEnd <= Self.longestName, named.count < Self.mostNames || named[name] != nil {
            named[name] = kind
        }
    }

    /// The kind of the statement that a Bind takes.
    ///
    /// - Parameter body: the beginning of its body: the portal's name, the statement's.
    package func kind(boundBy body: Span<UInt8>) -> StatementKind {
        guard unnamed != .ordinary || !named.isEmpty else { return .ordinary }
        guard let portalEnd = Self.endOfString(in: body, from: 0),
            let nameEnd = Self.endOfString(in: body, from: portalEnd + 1)
        else { return .ordinary }
        guard nameEnd > portalEnd + 1 else { return unnamed }
        return named[body.extracting(portalEnd + 1..<nameEnd).copied()] ?? .ordinary
    }

    /// Where the zero byte stands of the string that begins at `start`.
    private static func endOfString(in body: Span<UInt8>, from start: Int) -> Int? {
        var end = start
        while end < body.count, body[end] != 0 { end += 1 }
        return end < body.count ? end : nil
    }
}
