// Whether a session is excluded from cancelling.

import PostgresProtocol

/// What excludes a session from cancelling.
package struct SessionExclusion: Hashable, Sendable {
    /// The session is excluded for as long as it lasts.
    private let isWhole: Bool
    /// The application_name that the client gave at its login is excluded.
    private let isByName: Bool
    /// All application names that are excluded.
    private let names: Set<Identifier>

    package init(isWhole: Bool = false, isByName: Bool = false, names: Set<Identifier> = []) {
        (self.isWhole, self.isByName, self.names) = (isWhole, isByName, names)
    }

    /// - Parameters:
    ///   - applicationName: as the server reported it last; nil where it did not.
    ///   - isRenamed: it was reported anew after the login. Before that it may be the client's in another form.
    func covers(_ applicationName: String?, isRenamed: Bool) -> Bool {
        if isWhole { return true }
        // Most operators exclude nothing.
        guard !names.isEmpty else { return false }
        if isByName, !isRenamed { return true }
        guard let applicationName else { return false }
        return names.contains { $0.isReported(as: applicationName) }
    }
}
