// The exclusion of a session from cancelling.

import PostgresProtocol

/// The reason that excludes a session from cancelling. The enumeration is indirect because most operators exclude
/// nothing and an idle session should be small.
package indirect enum SessionExclusion: Hashable, Sendable {
    case none
    /// The session is excluded until it ends.
    case whole
    /// A session with one of these application names is excluded. `isGiven`: the client sent one of them at its login;
    /// the server may report it in another form.
    case byName(Set<Identifier>, isGiven: Bool)

    /// - Parameters:
    ///   - applicationName: the name that the server reported last, or else the client's.
    ///   - isRenamed: the name was reported again after the login.
    func covers(_ applicationName: String, isRenamed: Bool) -> Bool {
        switch self {
        case .none: false
        case .whole: true
        case .byName(let names, let isGiven):
            isGiven && !isRenamed || names.contains { $0.isReported(as: applicationName) }
        }
    }
}
