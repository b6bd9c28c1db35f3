// The table of places in Markdown: the remaining work at each, and the number of clients that left.

import Foundation
import Proxy

/// A row for each activity, a column for each place.
struct PlaceTable {
    /// The file to write; nil when it is not written.
    static let file = ProcessInfo.processInfo.environment["PGLEASH_PLACES"]

    var results: [Place.Kind: PlaceResult] = [:]

    func markdown() throws -> String {
        let kinds = Place.Kind.allCases.filter { results[$0] != nil }
        let columns = kinds.map { $0.isLeashed ? "pgleash: \($0.rawValue)" : $0.rawValue }
        let activities = Activity.ofPlaces + [.cancelLost] + Activity.queues.map { .queued($0) }
        let rows = activities.map { activity in
            [activity.description] + kinds.map { Self.text(results[$0]?[activity]) }
        }
        let totals = ["all"] + kinds.map { Self.text(results[$0]?.total) }
        let lines = [["the server is busy with"] + columns, ["---"] + columns.map { _ in "---" }] + rows + [totals]
        return """
            Orphans left / clients that went, in all ways but a dead host. An orphan: a statement that ran still
            \(Self.seconds(.direct)) s after its client had gone, at HAProxy \(Self.seconds(.balancer)) s. \
            –: not applicable. pgleash \
            \(pgleashVersion), \(try Self.versions()).

            \(lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n"))

            """
    }

    private static func seconds(_ kind: Place.Kind) -> Int64 { PlaceRun.limit(at: kind).components.seconds }

    private static func text(_ cell: Cell?) -> String { cell.map { "\($0.orphans) / \($0.count)" } ?? "–" }

    private static func versions() throws -> String {
        let postgres = try PrivatePostgres.shared.value("SHOW server_version").prefix { $0 != " " }
        let pool = try ChildProcess.run(Programs.system("pgbouncer"), ["--version"]).output.prefix { $0 != "\n" }
        let balancer =
            try ChildProcess.run(Programs.system("haproxy"), ["-v"]).output
            .split(separator: " ").first { $0.first?.isNumber == true } ?? ""
        return "PostgreSQL \(postgres), \(pool), HAProxy \(balancer.prefix { $0 != "-" })"
    }
}
