// Exclusions: sessions in which nothing is ever cancelled.

import PostgresProtocol

/// The names by which the operator excludes sessions, as PostgreSQL keeps them; so a name matches whether it is given
/// whole or as `pg_stat_activity` shows it.
package struct Exclusion: Equatable, Sendable {
    package var users: Set<Identifier> = []
    package var databases: Set<Identifier> = []
    package var applicationNames: Set<Identifier> = []

    /// What excludes a session.
    package enum Reason {
        /// Its user, its database or the client itself: for as long as it lasts.
        case session
        /// Its application_name, which the client may change.
        case applicationName
    }

    /// Why nothing of this client's is to be cancelled; nil where it may be.
    ///
    /// - Parameter packet: what `client` was read from. Its names are compared as they were sent.
    package func reason(for client: StartupMessage, in packet: Span<UInt8>) -> Reason? {
        if client.isCancelOff { return .session }
        // Most operators exclude nothing.
        guard self != Exclusion(), let names = try? StartupIdentifiers(parsing: packet) else { return nil }
        if users.contains(names.user) || databases.contains(names.database) { return .session }
        return applicationNames.contains(names.applicationName) ? .applicationName : nil
    }
}
