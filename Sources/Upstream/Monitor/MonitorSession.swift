// One connection of the monitor: its login, which ends with a statement that proves that the others work, and then the
// signals.

import LibPQ
import Reactor
import Settings

/// A connection to a server in which the monitor's statements run. `PQConnection` is one; a simulation has its own.
package protocol MonitorConnection: AnyObject {
    var localAddress: SocketAddress? { get }
    func start()
    /// At most one statement runs at a time. Its end is reported as `rows` or `failed`.
    func run(_ statement: PQStatement, _ parameters: [String])
    func close()
}

extension PQConnection: MonitorConnection {}

/// Makes a connection to an address, which reports its events.
package typealias MonitorConnect = (HostAddress, @escaping (PQConnection.Event) -> Void) -> any MonitorConnection

/// A connection with its role.
final class MonitorSession {
    enum Event {
        /// The login is complete.
        case ready(MonitorRole)
        /// The login is complete, but the role or the connection can't serve, for this reason.
        case unsuitable(String)
        /// The rows of `signal`.
        case signalled([[String?]])
        /// The connection could not be made or is lost, or a statement failed; the last event.
        case lost(reason: String, isRefusal: Bool)
    }

    private enum Step { case connecting, securing, identifying, preparing, ready }

    private var connection: (any MonitorConnection)?
    private let exclusion: Exclusion
    private let report: (Event) -> Void
    private var step = Step.connecting
    private var role: MonitorRole?

    /// - Parameters:
    ///   - exclusion: the names that batches contain; they are tried at the login.
    ///   - report: called on the loop's thread; never before `start` returns.
    init(
        to address: HostAddress, excluding exclusion: Exclusion = .init(), _ connect: MonitorConnect,
        _ report: @escaping (Event) -> Void
    ) {
        (self.exclusion, self.report) = (exclusion, report)
        connection = connect(address) { [unowned self] in received($0) }
    }

    deinit {
        connection?.close()
    }

    func start() { connection?.start() }

    /// Closes the connection. No event follows.
    func close() {
        connection?.close()
        connection = nil
    }

    /// Signals the backends of a batch. Called only after `ready`, and after the rows of the batch before.
    func signal(_ batch: MonitorBatch) { connection?.run(.signal, batch.parameters) }

    private func received(_ event: PQConnection.Event) {
        switch event {
        case .opened:
            step = .securing
            connection?.run(.secure, [])
        case .rows(let rows): completed(rows)
        case .failed(let reason):
            if step == .ready { report(.lost(reason: reason, isRefusal: false)) } else { report(.unsuitable(reason)) }
        case .lost(let reason, let isRefusal): report(.lost(reason: reason, isRefusal: isRefusal))
        }
    }

    private func completed(_ rows: [[String?]]) {
        switch step {
        case .connecting: break
        case .securing:
            step = .identifying
            connection?.run(.identify, [])
        case .identifying:
            role = MonitorRole(rows, local: connection?.localAddress)
            guard let role else { return report(.unsuitable("unexpected answer")) }
            if let reason = role.unsuitability { return report(.unsuitable(reason)) }
            step = .preparing
            signal(MonitorBatch([], excluding: exclusion, at: .now) { _ in "" })
        case .preparing:
            step = .ready
            if let role { report(.ready(role)) }
        case .ready: report(.signalled(rows))
        }
    }
}
