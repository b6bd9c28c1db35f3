// The orders that the monitor carries out with one statement.

import PostgresProtocol
import Reactor
import Settings

/// The result of one order.
package enum MonitorVerdict: Equatable, Sendable {
    case signalled
    /// The same after the order was given back.
    case signalledLate
    /// The backend waits for a synchronous standby.
    case leftAlone
    /// The server has no such backend: it has just exited, or another server has it.
    case unknown
    /// The backend runs no statement.
    case notRunning
    /// Its user, database or application_name is excluded.
    case excluded
    /// The role may not signal the backend, or the monitor did not answer in time.
    case notSignalled
}

/// Orders in one statement, in the order of their drops.
struct MonitorBatch {
    let orders: [CancelOrder]
    /// The parameters of `PQStatement.signal`.
    let parameters: [String]

    /// - Parameters:
    ///   - exclusion: for sessions that pgleash can't read; others are excluded before there is an order.
    ///   - now: the time for the ages of connections.
    ///   - address: the IP address that the server sees for a connection from this local address.
    init(
        _ orders: [CancelOrder], excluding exclusion: Exclusion = .init(), at now: MonotonicTime,
        seenAddress address: (SocketAddress) -> String
    ) {
        self.orders = orders
        let backends = orders.map(\.backend)
        parameters = [
            Self.array(orders.indices.map { "\($0)" }),
            Self.array(backends.map { $0?.processID.map { "\($0)" } ?? "NULL" }),
            Self.array(backends.map { $0.map { address($0.local) } ?? "NULL" }),
            Self.array(backends.map { $0?.local.port.map { "\($0)" } ?? "NULL" }),
            Self.array(orders.map { $0.signal == .cancel ? "f" : "t" }),
            Self.array(orders.map { $0.signal == .terminateIfActive ? "t" : "f" }),
            Self.array(exclusion.users), Self.array(exclusion.databases), Self.array(exclusion.applicationNames),
            Self.array(backends.map { $0?.openedAt.map { Self.seconds(now.since($0)) } ?? "NULL" }),
        ]
    }

    private static func seconds(_ duration: Duration) -> String {
        "\(Double(duration.wholeNanoseconds) / 1e9)"
    }

    private static func array(_ names: Set<Identifier>) -> String { array(names.map(quoted).sorted()) }

    private static func quoted(_ name: Identifier) -> String {
        let text = String(decoding: name.bytes, as: UTF8.self)
        return "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }

    private static func array(_ elements: [String]) -> String { "{\(elements.joined(separator: ","))}" }

    /// - Parameter rows: those of the statement: the number of an order, and its result.
    func verdicts(_ rows: [[String?]]) -> [MonitorVerdict] {
        var verdicts = orders.map { _ in MonitorVerdict.unknown }
        for row in rows where row.count == 2 {
            guard let index = row[0].flatMap({ Int($0) }), verdicts.indices.contains(index) else { continue }
            switch row[1] {
            case "true": verdicts[index] = .signalled
            case "left alone": verdicts[index] = .leftAlone
            case "not running": verdicts[index] = .notRunning
            case "excluded": verdicts[index] = .excluded
            default: verdicts[index] = .notSignalled
            }
        }
        return verdicts
    }
}
