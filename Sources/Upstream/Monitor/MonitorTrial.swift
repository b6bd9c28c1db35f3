// One login of the monitor, for `--check-monitor`.

import LibPQ
import Reactor

extension MonitorLogin {
    /// Logs in at an address, and asks for the role and its rights. Waits for the answer.
    ///
    /// - Returns: the role, and the reason why it is not suitable, if it isn't.
    /// - Throws: `MonitorTrialError` where the login fails, or takes longer than `limit`.
    package func tryOut(
        at address: HostAddress, within limit: Duration
    ) throws(MonitorTrialError) -> (role: MonitorRole, objection: String?) {
        let loop = LibeventLoop(receiveBufferSize: 1)
        var result = Result<(MonitorRole, String?), MonitorTrialError>.failure(.init(description: "timeout expired"))
        var connection: PQConnection?
        func finish(_ end: Result<(MonitorRole, String?), MonitorTrialError>) {
            result = end
            loop.stop()
        }
        connection = connect(to: address, on: loop) { event in
            switch event {
            case .opened: connection?.run(.introduce, [])
            case .rows(let rows):
                guard let role = MonitorRole(rows) else { return finish(.failure(.init(description: "no answer"))) }
                finish(.success((role, role.objection(local: connection?.localAddress))))
            case .failed(let reason), .lost(let reason, _): finish(.failure(.init(description: reason)))
            }
        }
        let timer = loop.schedule(after: limit) { loop.stop() }
        connection?.start()
        loop.run()
        timer.cancel()
        // It is closed here, and not when its own code runs.
        connection?.close()
        connection = nil
        return try result.get()
    }
}

/// The reason why the monitor could not log in.
package struct MonitorTrialError: Error, CustomStringConvertible {
    package let description: String
}
