// The log of a monitor's connection, which can fail any number of times for one reason.

import Logging
import Reactor

/// Logs each reason once, until `forget`.
final class MonitorLog {
    private let log: Logger
    private let address: SocketAddress
    private var reason: String?
    private var isConnectedLogged = false

    init(_ log: Logger, _ address: SocketAddress) { (self.log, self.address) = (log, address) }

    /// Logged when it is the first time, or a failure was logged since.
    func connected(_ role: MonitorRole) {
        guard !isConnectedLogged else { return }
        isConnectedLogged = true
        log.info("monitor connected", metadata: ["server": "\(address)", "user": "\(role.user)"])
    }

    func failed(_ message: Logger.Message, _ reason: String) {
        guard reason != self.reason else { return }
        self.reason = reason
        isConnectedLogged = false
        log.warning(message, metadata: ["server": "\(address)", "reason": "\(reason)"])
    }

    /// The connection has worked for long: the next failure is news.
    func forget() { reason = nil }
}
