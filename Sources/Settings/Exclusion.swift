// Exclusions: sessions in which no statement is cancelled.

import PostgresProtocol

/// The names by which the operator excludes sessions, as PostgreSQL stores them, so that a name matches in full or as
/// `pg_stat_activity` shows it.
package struct Exclusion: Equatable, Sendable {
    package var users: Set<Identifier> = []
    package var databases: Set<Identifier> = []
    package var applicationNames: Set<Identifier> = []

    package init(
        users: Set<Identifier> = [], databases: Set<Identifier> = [], applicationNames: Set<Identifier> = []
    ) {
        (self.users, self.databases, self.applicationNames) = (users, databases, applicationNames)
    }

    /// The part of a session that excludes it.
    package enum Reason {
        /// Its user, its database or the client itself: until it ends.
        case session
        /// Its application_name, which the client may change.
        case applicationName
    }

    /// The reason why the statements of this client are not cancelled; nil where they are.
    ///
    /// - Parameter packet: the packet of `client`. Its names are compared as the client sent them.
    package func reason(for client: StartupMessage, in packet: Span<UInt8>) -> Reason? {
        if client.isCancelOff { return .session }
        // Most operators exclude nothing.
        guard self != Exclusion(), let names = try? StartupIdentifiers(parsing: packet) else { return nil }
        if users.contains(names.user) || databases.contains(names.database) { return .session }
        return applicationNames.contains(names.applicationName) ? .applicationName : nil
    }
}
