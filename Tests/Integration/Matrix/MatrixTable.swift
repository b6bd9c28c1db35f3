// The matrix in Markdown: one table for each route, and before them the one that compares the routes.

import Foundation
import Proxy
import TestSupport

/// The cells of all routes.
struct MatrixTable {
    /// The file to write; nil when it is not written.
    static let file = ProcessInfo.processInfo.environment["PGLEASH_MATRIX"]

    private var cells: [Key: Cell] = [:]
    private let server: PrivatePostgres

    private struct Key: Hashable {
        let route: Route.Kind
        let activity: String
        let departure: Departure
    }

    /// - Parameter server: its version is named.
    init(server: PrivatePostgres) { self.server = server }

    subscript(route: Route.Kind, activity: Activity, departure: Departure) -> Cell? {
        get { cells[Key(route: route, activity: activity.description, departure: departure)] }
        set { cells[Key(route: route, activity: activity.description, departure: departure)] = newValue }
    }

    func markdown() throws -> String {
        """
        Milliseconds from the moment the client went to the end of its backend, median / worst. ORPHAN: most were still
        there after \(Self.seconds(MatrixTable.limit)); of others, `+ n ORPHAN` were. –: not applicable. Dead hosts were
        to be noticed within \(Self.seconds(Route.keepalive)). \(try facts())

        \(comparison())
        \(Route.Kind.allCases.map { "### \($0.rawValue)\n\n\(table($0))" }.joined(separator: "\n"))
        """
    }

    /// The longest wait for work that may never end.
    static let limit = Duration.seconds(3)

    /// The time and the software versions of the measurement.
    private func facts() throws -> String {
        let day = Date().formatted(.iso8601.year().month().day())
        let kernel = (readText("/proc/sys/kernel/osrelease") ?? "").prefix { $0.isNumber || $0 == "." }
        let processors = ProcessInfo.processInfo.activeProcessorCount
        let version = try server.value("SHOW server_version").prefix { $0 != " " }
        return "\(day), pgleash \(pgleashVersion), PostgreSQL \(version), Linux \(kernel), \(processors) processors."
    }

    /// pgleash in full; for the other routes the sum of all ways to leave in which the network reports that the client
    /// is gone.
    private func comparison() -> String {
        let columns = Departure.allCases.map(\.rawValue) + ["server alone", "check 1 s"]
        let rows = Activity.all.map { activity in
            let ofPgleash = Departure.allCases.map { text(self[.pgleash, activity, $0]) }
            return [activity.description] + ofPgleash + [Route.Kind.direct, .checked].map { summary($0, activity) }
        }
        return Self.lines(["the server is busy with"] + columns, rows)
    }

    private func summary(_ route: Route.Kind, _ activity: Activity) -> String {
        let told = activity.departures.filter { $0 != .deadHost }.compactMap { self[route, activity, $0] }
        let orphaned = told.count { $0.median == nil }
        if orphaned == told.count { return "ORPHAN" }
        return text(told.filter { $0.median != nil }.reduce(Cell(), +)) + (orphaned > 0 ? ", or ORPHAN" : "")
    }

    private func table(_ route: Route.Kind) -> String {
        let rows = Activity.all.map { activity in
            [activity.description]
                + Departure.allCases.map { departure in
                    let cell = self[route, activity, departure]
                    return text(cell) + (cell.map { " (\($0.count))" } ?? "")
                }
        }
        return Self.lines(["the server is busy with"] + Departure.allCases.map { "\($0.rawValue) (count)" }, rows)
    }

    private func text(_ cell: Cell?) -> String {
        guard let cell else { return "–" }
        guard let median = cell.median, let last = cell.times.max() else { return "ORPHAN" }
        let orphans = cell.orphans > 0 ? " + \(cell.orphans) ORPHAN" : ""
        return "\(Self.rounded(median)) / \(Self.rounded(last))" + orphans
    }

    private static func lines(_ head: [String], _ rows: [[String]]) -> String {
        ([head, head.map { _ in "---" }] + rows).map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
    }

    private static func rounded(_ duration: Duration) -> String {
        let value = duration.milliseconds
        return value < 10 ? String(format: "%.1f", value) : String(format: "%.0f", value)
    }

    private static func seconds(_ duration: Duration) -> String { "\(duration.components.seconds) s" }
}
