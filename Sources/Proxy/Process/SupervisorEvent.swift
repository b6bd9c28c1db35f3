// The events that other threads report to the supervisor.

import Reactor
import Telemetry

/// Events from other threads to the supervisor.
enum SupervisorEvent: Sendable {
    case sessions([SessionSnapshot])
    case reported
    case drained
    case threadFailed(String, SystemError)
    /// The server's name resolves to an address that pgleash listens on.
    case serverIsOurselves
}
