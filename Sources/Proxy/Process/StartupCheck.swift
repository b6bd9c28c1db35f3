// The checks at the start: whether the servers accept connections, and the limit of descriptors. pgleash starts in any
// case: clients get an error when they connect.

import Logging
import Reactor
import Settings
import Upstream

/// Asks the configured servers, and logs their answers.
struct StartupCheck: Sendable {
    let servers: [Endpoint]
    let security: ServerSecurity
    /// Receives an event where a server is pgleash itself.
    let events: Mailbox<SupervisorEvent>
    let log: Logger

    /// Each session takes two descriptors.
    static func checkDescriptorLimit(_ configuration: Configuration, _ log: Logger) {
        let (limit, wanted) = (raiseDescriptorLimit(), 2 * UInt64(configuration.listen.maxSessions))
        guard limit < wanted else { return }
        log.notice(
            "the limit of open files allows fewer sessions than max_sessions",
            metadata: ["limit": .number(limit), "max_sessions": .number(configuration.listen.maxSessions)]
        )
    }

    /// Begins the check on a thread.
    ///
    /// - Parameter own: the addresses that pgleash listens on.
    func begin(_ own: OwnAddresses) {
        try? startThread(named: "probe") {
            for server in servers {
                if let addresses = try? server.resolve(), addresses.contains(where: { own.contains($0) }) {
                    return events.post(.serverIsOurselves)
                }
                let result = server.probe(security)
                log.log(
                    level: result.isAccepting ? .info : .warning,
                    "startup check of server",
                    metadata: ["server": "\(server)", "status": "\(result)"]
                )
            }
        }
    }
}
