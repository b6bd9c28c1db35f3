// The run at one place: clients leave one after the other, while the test checks for their remaining work, and whether
// pgleash reports work as ended that still runs.

import Foundation
import PostgresProtocol
import Synchronization
import TestSupport

/// The drops at one place.
final class PlaceRun {
    /// After this time the remaining work is called an orphan. A balancer passes only some of the cancels to the right
    /// server.
    static func limit(at kind: Place.Kind) -> Duration { kind == .balancer ? .seconds(25) : .seconds(3) }
    /// Work that was not seen for this time since its client left has ended. Work that begins later is still noticed.
    private static let quiet = Duration.milliseconds(60)
    /// More at a time would compete for the processors.
    private static let mostOpen = 24
    private static let lastNumber = Atomic<Int>(0)

    private typealias Instant = ContinuousClock.Instant

    private struct Drop {
        let key: PlaceResult.Key
        /// It may still have its socket.
        var client: DoomedClient?
        /// The time since which it should end.
        var start: Instant
        var end: Instant?
        var isOrphan = false
    }

    private let place: Place
    private var locks = Locks()
    private var log: LogTail?
    /// The log lines in which pgleash reports work as ended, by application_name and by process ID.
    private var reports: [String: String] = [:]
    private var drops: [String: Drop] = [:]
    /// The drops that are being checked.
    private var open: Set<String> = []
    private var falseReports: [String: String] = [:]
    private var orphans: [String] = []

    init(_ place: Place) {
        self.place = place
        log = place.pgleash.map { LogTail(of: $0) }
    }

    /// Causes an activity, and lets its client leave.
    ///
    /// - Parameter stay: the time for which the client stays after this.
    /// - Returns: its application_name, which is also in a comment before each of its statements.
    @discardableResult
    func drop(_ activity: Activity, _ departure: Departure, stay: Duration = .zero) throws -> String {
        let name = "place-\(Self.lastNumber.wrappingAdd(1, ordering: .relaxed).newValue)"
        for server in place.servers { try locks.prepare(activity, on: server) }
        let client = try client(activity, departure, name)
        rest(stay)
        let key = PlaceResult.Key(activity: activity.description, departure: departure)
        drops[name] = Drop(key: key, client: client, start: try client.depart())
        open.insert(name)
        repeat { try look() } while open.count >= Self.mostOpen
        return name
    }

    private func client(_ activity: Activity, _ departure: Departure, _ name: String) throws -> DoomedClient {
        do {
            return try DoomedClient(
                activity.commented("/* \(name) */ "), departure,
                over: RawClient(port: place.port, receiveBuffer: activity.receiveBuffer), to: place.servers,
                name: name, isNameUnique: true
            )
        } catch {
            let log = place.pool?.log.split(separator: "\n").suffix(6).joined(separator: "\n") ?? ""
            throw TimedOut(description: "\(activity) could not be brought about, \(name): \(error)\n\(log)")
        }
    }

    /// Lets a client leave that waits for the pooler's only connection, which is busy for this time.
    func dropQueued(for time: Duration, _ departure: Departure) throws {
        guard let pool = place.pool else { return }
        let occupant = try RawClient(port: pool.port)
        try occupant.startUp(name: "occupant")
        for sql in ["BEGIN", "COMMIT"] {
            try occupant.send(Frontend.query(sql))
            try occupant.read(until: BackendKind.readyForQuery)
            guard sql == "BEGIN" else { break }
            let name = try drop(.queued(time), departure)
            rest(time)
            drops[name]?.start = .now
            open.insert(name)
        }
        try occupant.leave(.terminate)
        try settle()
    }

    /// Waits until no work is left or called an orphan, and no more begins.
    func finish() throws -> PlaceResult {
        try settle()
        try place.pgleash?.waitForReport("no orphan", within: .seconds(40)) { $0["orphans_active"] == 0 }
        rest(Self.quiet * 3)
        try look()
        try settle()
        var result = PlaceResult(orphans: orphans, falseReports: falseReports.values.sorted())
        for drop in drops.values {
            let time = drop.isOrphan ? nil : drop.end.map { drop.start.duration(to: $0) }
            result.cells[drop.key, default: Cell()].add(time)
        }
        return result
    }

    private func settle() throws {
        while !open.isEmpty {
            try look()
            rest(.milliseconds(1))
        }
    }

    // MARK: Checks

    private struct Work {
        let name: String
        let server: PrivatePostgres
        let pid: String
        let isActive: Bool
        let waitsFor: String
    }

    /// pgleash's reports are checked first: they must be true from then on.
    private func look() throws {
        for line in log?.next() ?? [] { note(line) }
        let works = try place.servers.flatMap(works)
        let now = Instant.now
        for work in works { try found(work, now) }
        let found = Set(works.map(\.name))
        for name in open where !found.contains(name) {
            let start = drops[name]?.start ?? now
            if drops[name]?.end == nil { drops[name]?.end = now }
            guard start.duration(to: now) > Self.quiet else { continue }
            drops[name]?.client = nil
            open.remove(name)
        }
    }

    private func note(_ line: String) {
        let fields = Report.fields(line)
        guard let outcome = fields["outcome"], ["cancelled", "finished", "server_closed"].contains(outcome) else {
            return
        }
        // A pooler maps pgleash's process IDs to its own; a pooler in front of pgleash is its only client.
        let key = place.kind == .behindPool ? "pid" : "application_name"
        if let value = fields[key] { reports[value] = line }
    }

    /// The work for any client of the test, and transactions of it.
    private func works(on server: PrivatePostgres) throws -> [Work] {
        let rows = try server.query(
            """
            SELECT pid, CASE WHEN query LIKE '/* place-%' THEN split_part(query, ' ', 2) ELSE application_name END,
                state IN ('active', 'fastpath function call'), coalesce(wait_event, 'nothing')
            FROM pg_stat_activity
            WHERE query LIKE '/* place-%' AND state <> 'idle'
                OR application_name LIKE 'place-%' AND state = 'fastpath function call'
            """
        )
        return rows.map { Work(name: $0[1], server: server, pid: $0[0], isActive: $0[2] == "t", waitsFor: $0[3]) }
    }

    private func found(_ work: Work, _ now: Instant) throws {
        guard let drop = drops[work.name], !drop.isOrphan else { return }
        open.insert(work.name)
        drops[work.name]?.end = nil
        let what = "\(drop.key.activity), \(drop.key.departure.rawValue) (\(work.name), pid \(work.pid))"
        let report = reports[place.kind == .behindPool ? work.pid : work.name]
        if work.isActive, let report { falseReports[work.name] = "\(what): \(report)" }
        let limit = Self.limit(at: place.kind)
        guard drop.start.duration(to: now) > limit else { return }
        guard MachinePauses.shared.timeWithout(from: drop.start, to: now) > limit else { return }
        drops[work.name]?.isOrphan = true
        drops[work.name]?.client = nil
        open.remove(work.name)
        orphans.append("\(what) waits for \(work.waitsFor)")
        try work.server.query("SELECT pg_terminate_backend(\(work.pid))")
    }
}
