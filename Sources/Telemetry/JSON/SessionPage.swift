// A part of the live sessions as JSON: those that a query selects, the longest-running query first.

/// The sessions that a client of the HTTP endpoint asks for.
package struct SessionQuery: Equatable, Sendable {
    /// The largest number of sessions in one answer.
    package static let largestLimit = 1000

    package var user: String?
    package var database: String?
    package var state: String?
    /// The beginning of the client's address.
    package var address: String?
    /// The number of sessions, from 1 to `largestLimit`.
    package var limit = 100
    /// The number of selected sessions before the first one.
    package var offset = 0

    package init() {}

    /// A parameter that cannot be used.
    package struct Invalid: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// - Parameter parameters: names and values, as in the query of a URL.
    package init(_ parameters: [(name: String, value: String?)]) throws(Invalid) {
        for (name, value) in parameters {
            switch name {
            case "user": user = value
            case "database": database = value
            case "state": state = value
            case "address": address = value
            case "limit": limit = try Self.number(name, value, 1...Self.largestLimit)
            case "offset": offset = try Self.number(name, value, 0...Int(Int32.max))
            default:
                let known = "user, database, state, address, limit, offset"
                throw Invalid(description: "unknown parameter; allowed: \(known)")
            }
        }
    }

    private static func number(
        _ name: String, _ value: String?, _ bounds: ClosedRange<Int>
    ) throws(Invalid) -> Int {
        guard let number = value.flatMap({ Int($0) }), bounds.contains(number) else {
            throw Invalid(description: "\(name) is a number from \(bounds.lowerBound) to \(bounds.upperBound)")
        }
        return number
    }

    private var selectsAll: Bool { user == nil && database == nil && state == nil && address == nil }

    private func selects(_ session: SessionSnapshot) -> Bool {
        func agrees(_ wanted: String?, _ value: String) -> Bool { wanted.map { $0 == value } ?? true }
        return agrees(user, session.user) && agrees(database, session.database) && agrees(state, session.state)
            && (address.map { session.client.hasPrefix($0) } ?? true)
    }

    /// The answer.
    ///
    /// - Parameters:
    ///   - time: the time of the snapshots, as in RFC 3339.
    ///   - sessions: in the order of `SessionSnapshot.isListedBefore`.
    package func page(of sessions: [SessionSnapshot], at time: String) -> JSON {
        let matching = selectsAll ? sessions : sessions.filter(selects)
        return .object([
            ("time", .text(time)),
            ("total", .number(sessions.count)),
            ("matching", .number(matching.count)),
            ("offset", .number(offset)),
            ("limit", .number(limit)),
            ("sessions", .array(matching.dropFirst(offset).prefix(limit).map(\.json))),
        ])
    }
}

extension SessionSnapshot {
    package var json: JSON {
        .object([
            ("client", .text(client)),
            ("user", .text(user)),
            ("database", .text(database)),
            ("application_name", .text(applicationName)),
            ("pid", .optional(processID) { .number($0) }),
            ("state", .text(state)),
            ("ssl", .text(encryption.rawValue)),
            ("age", .seconds(age)),
            ("query", .optional(queryAge) { .seconds($0) }),
        ])
    }
}
