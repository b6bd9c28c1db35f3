// The names in a StartupMessage as PostgreSQL keeps them, for comparisons. What is shown of them is StartupMessage's.

/// Read anew from the packet where they are wanted, as sessions need not keep them.
package struct StartupIdentifiers {
    package let user: Identifier
    /// The user's, where the client gave none.
    package let database: Identifier
    package let applicationName: Identifier

    /// - Parameter packet: a whole StartupMessage, its length field included.
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
