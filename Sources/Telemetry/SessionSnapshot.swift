// A session as the report shows it.

/// The state of a session at one time.
package struct SessionSnapshot: Sendable {
    /// Becomes text only where it is shown, as a worker copies all its sessions while others wait.
    private let address: any CustomStringConvertible & Sendable
    package let user: String
    package let database: String
    package let applicationName: String
    package let processID: UInt32?
    package let state: String
    /// The client is connected, and the server has accepted its login.
    let isLoggedIn: Bool
    package let encryption: Encryption
    package let age: Duration
    /// The time since which requests are outstanding; nil when there are none.
    package let queryAge: Duration?

    package init(
        client: any CustomStringConvertible & Sendable,
        user: String,
        database: String,
        applicationName: String,
        processID: UInt32?,
        state: String,
        isLoggedIn: Bool = false,
        encryption: Encryption,
        age: Duration,
        queryAge: Duration?
    ) {
        address = client
        self.user = user
        self.database = database
        self.applicationName = applicationName
        self.processID = processID
        (self.state, self.isLoggedIn) = (state, isLoggedIn)
        self.encryption = encryption
        self.age = age
        self.queryAge = queryAge
    }

    /// The client's address.
    package var client: String { "\(address)" }

    /// The encrypted ones of a session's two connections.
    package enum Encryption: String, Sendable {
        case none
        case client
        case server
        case both

        package init(ofClient isClientEncrypted: Bool, ofServer isServerEncrypted: Bool) {
            switch (isClientEncrypted, isServerEncrypted) {
            case (false, false): self = .none
            case (true, false): self = .client
            case (false, true): self = .server
            case (true, true): self = .both
            }
        }
    }

    /// The text in one line, without a line break.
    package var line: String {
        [
            LogField("client", .text(client)),
            LogField("user", .text(user)),
            LogField("database", .text(database)),
            LogField("application_name", .text(applicationName)),
            LogField("pid", .text(processID.map(String.init) ?? "-")),
            LogField("state", .text(state)),
            LogField("ssl", .text(encryption.rawValue)),
            LogField("age", .text(Self.seconds(age))),
            LogField("query", .text(queryAge.map(Self.seconds) ?? "-")),
        ].logfmtText
    }

    private static func seconds(_ duration: Duration) -> String {
        "\((duration / .milliseconds(1)).rounded() / 1000)s"
    }

    /// The order of the report: the longest-running query first, then the oldest session.
    package static func isListedBefore(_ left: SessionSnapshot, _ right: SessionSnapshot) -> Bool {
        (left.queryAge ?? .zero, left.age) > (right.queryAge ?? .zero, right.age)
    }
}
