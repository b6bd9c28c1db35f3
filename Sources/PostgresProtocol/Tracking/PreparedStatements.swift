// The kinds of a session's prepared statements and portals, from which the kind of a Bind or an Execute follows.

/// Stores the statements that are never cancelled; every other statement is ordinary.
///
/// A Parse can be refused, because its name is in use, or skipped after an error; then the name keeps its previous
/// meaning. Until the server has answered everything, a name therefore has the more protected of both kinds; but not in
/// the batch of the Parse, as a Bind there is skipped with it.
package struct PreparedStatements: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        var kind: StatementKind
        /// The kind that the name may still have.
        var before = StatementKind.ordinary
        /// The client has closed the name. The entry is removed when its place is needed.
        var isClosed = false
        /// No Sync has been sent since the Parse.
        var isOfBatch = true

        var effective: StatementKind { kind.protecting(before) }
        /// The kind of a Bind that is sent now.
        var bound: StatementKind { isOfBatch ? kind : effective }
    }

    private var unnamed = Entry(kind: .ordinary)
    private var named: [[UInt8]: Entry] = [:]
    private var unnamedPortal = StatementKind.ordinary
    private var portals: [[UInt8]: StatementKind] = [:]
    /// An entry has a `before` that is not ordinary.
    private var isUnsettled = false

    /// The limits on the number of names and on the bytes of each. Applications prepare few statements that control a
    /// transaction, and drivers give them short names.
    private static let mostNames = 64
    private static let longestName = 63

    package init() {}

    /// - Parameters:
    ///   - body: the beginning of the body of a Parse: the name, the text.
    ///   - isFirst: the server has no request before it, so it is not skipped.
    package mutating func parsed(_ body: Span<UInt8>, isFirst: Bool) {
        guard let nameEnd = Self.endOfString(in: body, from: 0) else { return }
        let kind = StatementKind(ofParsed: body.extracting((nameEnd + 1)...))
        guard nameEnd > 0 else { return replaceUnnamed(kind, isFirst) }
        // Nearly always there is nothing to store or to remove.
        guard kind != .ordinary || !named.isEmpty else { return }
        replace(body.extracting(0..<nameEnd).copied(), kind)
    }

    /// The server destroys the unnamed statement before it parses another one.
    private mutating func replaceUnnamed(_ kind: StatementKind, _ isFirst: Bool) {
        let before = isFirst ? .ordinary : unnamed.effective
        unnamed = Entry(kind: kind, before: before)
        if before != .ordinary { isUnsettled = true }
    }

    /// The server refuses a name that is in use.
    private mutating func replace(_ name: [UInt8], _ kind: StatementKind) {
        let before = named[name]?.effective ?? .ordinary
        if kind == .ordinary, before == .ordinary { return }
        guard named[name] != nil || makeRoom(for: name) else { return }
        named[name] = Entry(kind: kind, before: before)
        if before != .ordinary { isUnsettled = true }
    }

    private mutating func makeRoom(for name: [UInt8]) -> Bool {
        guard name.count <= Self.longestName else { return false }
        guard named.count >= Self.mostNames else { return true }
        guard let closed = named.first(where: { $0.value.isClosed })?.key else { return false }
        named[closed] = nil
        return true
    }

    /// - Parameter body: the beginning of the body of a Close: S or P, the name.
    package mutating func closed(_ body: Span<UInt8>) {
        guard !named.isEmpty || !portals.isEmpty, body.count > 1,
            let nameEnd = Self.endOfString(in: body, from: 1)
        else { return }
        let name = body.extracting(1..<nameEnd).copied()
        if body[0] == UInt8(ascii: "S") { named[name]?.isClosed = true } else { portals[name] = nil }
    }

    /// The client has sent a Sync: messages after it are not skipped with those before it.
    package mutating func synced() {
        guard isUnsettled else { return }
        unnamed.isOfBatch = false
        for name in named.keys { named[name]?.isOfBatch = false }
    }

    /// The server has answered everything.
    ///
    /// - Parameter hasFailed: an error arrived since the last call, so a Parse may have been refused or skipped.
    package mutating func settle(hasFailed: Bool) {
        guard isUnsettled else { return }
        isUnsettled = false
        unnamed = Entry(kind: hasFailed ? unnamed.effective : unnamed.kind)
        for (name, entry) in named {
            let kind = hasFailed ? entry.effective : entry.kind
            named[name] = kind == .ordinary ? nil : Entry(kind: kind, isClosed: entry.isClosed)
        }
    }

    /// The kind of the statement of a Bind, which is also that of its portal.
    ///
    /// - Parameter body: the beginning of its body: the names of the portal and of the statement.
    package mutating func kind(boundBy body: Span<UInt8>) -> StatementKind {
        guard hasAny else { return .ordinary }
        guard let portalEnd = Self.endOfString(in: body, from: 0),
            let nameEnd = Self.endOfString(in: body, from: portalEnd + 1)
        else { return .ordinary }
        let isUnnamed = nameEnd == portalEnd + 1
        let kind =
            isUnnamed
            ? unnamed.bound
            : named[body.extracting(portalEnd + 1..<nameEnd).copied()]?.bound ?? .ordinary
        note(kind, portal: body.extracting(0..<portalEnd))
        return kind
    }

    /// A skipped Bind follows an error, which ends the transaction with all its portals.
    private mutating func note(_ kind: StatementKind, portal: Span<UInt8>) {
        guard portal.count > 0 else { return unnamedPortal = kind }
        let name = portal.copied()
        if kind == .ordinary {
            portals[name] = nil
        } else if name.count <= Self.longestName, portals.count < Self.mostNames || portals[name] != nil {
            portals[name] = kind
        }
    }

    /// The kind of the statement of an Execute, if its portal is known.
    ///
    /// - Parameter body: the beginning of its body: the name of the portal.
    package func kind(executedBy body: Span<UInt8>) -> StatementKind {
        guard unnamedPortal != .ordinary || !portals.isEmpty, let end = Self.endOfString(in: body, from: 0) else {
            return .ordinary
        }
        return end == 0 ? unnamedPortal : portals[body.extracting(0..<end).copied()] ?? .ordinary
    }

    private var hasAny: Bool {
        unnamed.kind != .ordinary || isUnsettled || !named.isEmpty || unnamedPortal != .ordinary || !portals.isEmpty
    }

    /// The offset of the zero byte of the string that begins at `start`.
    private static func endOfString(in body: Span<UInt8>, from start: Int) -> Int? {
        var end = start
        while end < body.count, body[end] != 0 { end += 1 }
        return end < body.count ? end : nil
    }
}
