// The monitors of the process, which share the main thread with the cancel dispatcher.

import LibPQ
import Logging
import Reactor
import Settings
import Upstream

/// The monitors, and what the workers know of them.
struct MonitorService {
    let readiness = MonitorReadiness()
    let monitors: Monitors

    /// - Returns: nil where the configuration has no monitor.
    /// - Throws: `StartError` where libpq can't be loaded.
    init?(_ configuration: Configuration, on loop: LibeventLoop, log: Logger) throws(StartError) {
        guard configuration.monitor.isOn else { return nil }
        let login: MonitorLogin
        do throws(PQLoadError) {
            login = try MonitorLogin(configuration)
        } catch {
            throw StartError(description: "[monitor] needs libpq (Debian's package libpq5): \(error)")
        }
        monitors = Monitors(loop: loop, readiness: readiness, log: log) { login.connect(to: $0, on: loop, $1) }
    }

    /// Connects to all addresses of the server, once its name is resolved.
    ///
    /// - Parameter orders: those of the dispatcher.
    func open(_ upstream: Upstream, by orders: Mailbox<DispatcherMessage>) {
        switch upstream {
        case .addresses(let addresses): monitors.open(addresses)
        case .names(let resolve): resolve { orders.post(.serverResolved((try? $0.get()) ?? [])) }
        }
    }
}
