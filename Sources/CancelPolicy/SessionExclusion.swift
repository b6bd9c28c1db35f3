// Whether a session is excluded from cancelling.

import PostgresProtocol

/// What excludes a session from cancelling. Indirect, as most operators exclude nothing, and an idle session is to be
/// small.
package indirect enum SessionExclusion: Hashable, Sendable {
    case none
    /// The session is excluded for as long as it lasts.
    case whole
    /// A session with one of these application names is excluded. `isGiven`: the client gave one of them at its login;
    /// the server may report it in another form.
    case byName(Set<Identifier>, isGiven: Bool)

    /// - Parameters:
    ///   - applicationName: as the server reported it last, or else as the client gave it.
    ///   - isRenamed: it was reported anew after the login.
    func covers(_ applicationName: String, isRenamed: Bool) -> Bool {
        switch self {
        case .none: false
        case .whole: true
        case .byName(let names, let isGiven):
            isGiven && !isRenamed || names.contains { $0.isReported(as: applicationName) }
        }
    }
}
