// Who is left out: sessions of which nothing is ever cancelled.

import PostgresProtocol

/// The names by which the operator leaves sessions out, as PostgreSQL keeps them; so a name matches whether it is given
/// whole or as `pg_stat_activity` shows it.
package struct Exclusion: Equatable, Sendable {
    package var users: Set<Identifier> = []
    package var databases: Set<Identifier> = []
    package var applicationNames: Set<Identifier> = []

    /// Whether nothing of this client's is to be cancelled: by the operator's word, or by its own.
    ///
    /// - Parameter packet: what `client` was read from. Its names are compared as they were sent.
    package func covers(_ client: StartupMessage, in packet: Span<UInt8>) -> Bool {
        if client.isCancelOff { return true }
        // Most operators leave nobody out.
        guard self != Exclusion(), let names = try? StartupIdentifiers(parsing: packet) else { return false }
        return users.contains(names.user) || databases.contains(names.database)
            || applicationNames.contains(names.applicationName)
    }
}
