// The threads of the monitors.

import Logging
import Reactor
import Settings
import Upstream

/// Starts the monitors of the process.
struct MonitorService {
    let monitors: Monitors

    /// - Parameter orders: those of the dispatcher, which gets the results.
    /// - Returns: nil where the configuration has no monitor.
    /// - Throws: `StartError` where libpq can't be loaded, or does not accept the settings.
    init?(
        _ configuration: Configuration, _ orders: Mailbox<DispatcherMessage>, log: Logger
    ) throws(StartError) {
        guard configuration.monitor.isOn else { return nil }
        let login: MonitorLogin
        do throws(MonitorLoginError) { login = try MonitorLogin(configuration) } catch {
            throw StartError(description: "\(error)", isConfigurationError: error.isConfigurationError)
        }
        let exclusion = configuration.cancel.exclusion
        monitors = Monitors { address, mailbox, monitors in
            do throws(SystemError) {
                try startThread(named: "monitor") {
                    Self.run(address, login, excluding: exclusion, mailbox, monitors, orders, log)
                }
            } catch {
                log.error("could not start the monitor", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Connects to all addresses of the server, once its name is resolved.
    func open(_ upstream: Upstream) {
        switch upstream {
        case .addresses(let addresses): monitors.open(addresses)
        case .names(let resolve): resolve { [monitors] in monitors.open((try? $0.get()) ?? []) }
        }
    }

    /// The monitor of one address, until the process ends.
    private static func run(
        _ address: HostAddress, _ login: MonitorLogin, excluding exclusion: Exclusion,
        _ mailbox: Mailbox<CancelOrder>, _ monitors: Monitors, _ orders: Mailbox<DispatcherMessage>, _ log: Logger
    ) {
        let loop = LibeventLoop(receiveBufferSize: 1)
        let monitor = Monitor(
            address, loop: loop, log: log, excluding: exclusion, connect: { login.connect(to: $0, on: loop, $1) },
            becameReady: { monitors.set($0, at: address.address) },
            conclude: { orders.post(.monitorConcluded($0, $1)) }
        )
        do throws(SystemError) {
            try mailbox.open(on: loop) { monitor.take($0) }
        } catch {
            return log.error("could not start the monitor", metadata: ["reason": "\(error)"])
        }
        monitor.start()
        loop.run()
    }
}
