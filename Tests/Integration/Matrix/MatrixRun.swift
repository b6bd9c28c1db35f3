// The run of cells of the matrix: clients are brought into the middle of an activity and leave, and their backends are
// watched.

import Foundation

/// The cells of one route.
final class MatrixRun {
    let route: Route
    /// After this time the remaining work is called an orphan.
    private let limit: Duration
    /// Clients that leave together stay for a random time of up to this, so that a server that checks them periodically
    /// is met at any moment in between.
    private let longestStay: Duration
    private let pauses = MachinePauses.shared
    private var locks = Locks()

    init(_ route: Route, limit: Duration, longestStay: Duration = .zero) {
        self.route = route
        self.limit = limit
        self.longestStay = longestStay
    }

    /// Clients that leave one after the other, each when the end of the one before has been seen. An orphan is the
    /// last.
    ///
    /// - Parameter floor: measures one time before each of them.
    func oneByOne(_ activity: Activity, _ departure: Departure, floor: CancelFloor) throws -> Cell {
        var cell = Cell()
        while cell.count < repetitions(of: activity), cell.orphans == 0 {
            try floor.measure()
            for time in try together([activity], departure, count: 1) { cell.add(time) }
        }
        return cell
    }

    /// The number for each cell.
    func repetitions(of activity: Activity) -> Int {
        route.kind.isVariant ? activity.repetitions / 5 : activity.repetitions
    }

    /// Clients that are in the middle of their activity at the same time, and then all leave.
    ///
    /// - Parameter count: the number for each activity.
    /// - Returns: the time until the backend of each ended, nil for one that has not.
    func together(_ activities: [Activity], _ departure: Departure, count: Int) throws -> [Duration?] {
        let all = activities.flatMap { Array(repeating: $0, count: count) }
        for activity in activities { try locks.prepare(activity, on: route.server) }
        let clients = try all.map { try client($0, departure) }
        let backends = try clients.map { try BackendProcess($0.backendPID) }
        rest(longestStay * Double.random(in: 0...1))
        guard BackendProcess.ends(of: backends, within: .zero).allSatisfy({ $0 == nil }) else {
            throw TimedOut(description: "a backend had ended before its client went")
        }
        let times = departure == .deadHost ? try whenHostDies(backends) : try whenTheyGo(clients, backends)
        if times.contains(nil) { try route.server.terminate(Self.name) }
        return times
    }

    /// All activities that make sense here, in one way to leave and many at the same time.
    ///
    /// - Parameters:
    ///   - rounds: the number of rounds.
    ///   - each: the number of clients of each activity that leave together. More would compete for the processors.
    func allAtOnce(_ departure: Departure, rounds: Int, each: Int) throws -> [(activity: Activity, cell: Cell)] {
        let activities = Activity.all.filter { $0.departures.contains(departure) }
        var cells = activities.map { (activity: $0, cell: Cell()) }
        for _ in 1...rounds {
            let times = try together(activities, departure, count: each)
            for (index, time) in times.enumerated() { cells[index / each].cell.add(time) }
        }
        return cells
    }

    private static let name = "matrix"

    /// The server's own view of the remaining work, for example a parallel worker.
    func countLeft() throws -> Int { try route.server.backends(Self.name) }

    private func client(_ activity: Activity, _ departure: Departure) throws -> DoomedClient {
        let client = try route.connect(from: departure, receiveBuffer: activity.receiveBuffer)
        return try DoomedClient(activity, departure, over: client, to: [route.server], name: Self.name)
    }

    private func whenTheyGo(_ clients: [DoomedClient], _ backends: [BackendProcess]) throws -> [Duration?] {
        let starts = try clients.map { try $0.depart() }
        let ends = BackendProcess.ends(of: backends, within: limit)
        return zip(starts, ends).map(time)
    }

    private func whenHostDies(_ backends: [BackendProcess]) throws -> [Duration?] {
        let start = ContinuousClock.now
        return try route.whileHostIsDead {
            BackendProcess.ends(of: backends, within: limit).map { time(from: start, to: $0) }
        }
    }

    private func time(from start: ContinuousClock.Instant, to end: ContinuousClock.Instant?) -> Duration? {
        end.map { pauses.timeWithout(from: start, to: $0) }
    }
}
