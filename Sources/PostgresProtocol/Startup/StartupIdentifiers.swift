// The names in a StartupMessage as PostgreSQL stores them, for comparisons. The names for display are in
// StartupMessage.

/// The names are read from the packet each time, so that a session need not store them.
package struct StartupIdentifiers {
    package let user: Identifier
    /// The user's name where the client sent no database.
    package let database: Identifier
    package let applicationName: Identifier

    /// - Parameter packet: a complete StartupMessage, its length field included.
    package init(parsing packet: Span<UInt8>) throws(StartupPacket.Malformed) {
        guard packet.count >= 8 else { throw .parameters }
        let parameters = packet.extracting(8..<packet.count)
        var (user, database, applicationName) = (0..<0, 0..<0, 0..<0)
        try StartupMessage.forEachParameter(in: parameters) { name, value in
            let name = parameters.extracting(name)
            if name.spell("user") { user = value }
            if name.spell("database") { database = value }
            if name.spell("application_name") { applicationName = value }
        }
        self.user = Identifier(parameters.extracting(user))
        self.database = database.isEmpty ? self.user : Identifier(parameters.extracting(database))
        self.applicationName = Identifier(parameters.extracting(applicationName))
    }
}
