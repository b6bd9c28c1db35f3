// Who is left out: sessions of which nothing is ever cancelled.

import PostgresWire

/// The names by which the operator leaves sessions out; exactly as the client's start-up gives them.
package struct Exclusion: Equatable, Sendable {
    package var users: Set<String> = []
    package var databases: Set<String> = []
    package var applicationNames: Set<String> = []

    /// Whether nothing of this client's is to be cancelled: by the operator's word, or by its own.
    func covers(_ client: StartupMessage) -> Bool {
        client.isCancelOff || users.contains(client.user) || databases.contains(client.database)
            || applicationNames.contains(client.applicationName)
    }
}
