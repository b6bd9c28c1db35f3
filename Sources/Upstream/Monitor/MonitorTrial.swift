// One login of the monitor, for `--check-monitor`.

import Reactor

extension MonitorLogin {
    /// Logs in at an address as the monitor does. Waits for the answer.
    ///
    /// - Throws: `MonitorTrialError` where the login fails, takes longer than `limit`, or the monitor can't be used.
    package func tryOut(at address: HostAddress, within limit: Duration) throws(MonitorTrialError) -> MonitorRole {
        let loop = LibeventLoop(receiveBufferSize: 1)
        var result = Result<MonitorRole, MonitorTrialError>.failure(.init(description: "timeout expired"))
        let session = MonitorSession(to: address, { self.connect(to: $0, on: loop, $1) }) { event in
            switch event {
            case .ready(let role): result = .success(role)
            case .unsuitable(let reason): result = .failure(.init(description: "not usable: \(reason)"))
            case .lost(let reason, _): result = .failure(.init(description: "could not log in: \(reason)"))
            case .signalled: break
            }
            loop.stop()
        }
        let timer = loop.schedule(after: limit) { loop.stop() }
        session.start()
        loop.run()
        timer.cancel()
        session.close()
        return try result.get()
    }
}

/// The reason why the monitor can't be used at an address.
package struct MonitorTrialError: Error, CustomStringConvertible {
    package let description: String
}
