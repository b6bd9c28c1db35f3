// What came of all drops at a place.

/// Cells, and in words what should not have been.
struct PlaceResult {
    struct Key: Hashable {
        let activity: String
        let departure: Departure
    }

    var cells: [Key: Cell] = [:]
    /// What was still there at the end of the time given.
    var orphans: [String] = []
    /// What pgleash had said to have ended when it ran.
    var falseReports: [String] = []

    /// A row's cells together; nil where the row makes no sense.
    subscript(activity: Activity) -> Cell? {
        let cells = cells.filter { $0.key.activity == activity.description }.values
        return cells.isEmpty ? nil : cells.reduce(Cell(), +)
    }

    var total: Cell { cells.values.reduce(Cell(), +) }

    static func + (one: PlaceResult, other: PlaceResult) -> PlaceResult {
        PlaceResult(
            cells: one.cells.merging(other.cells, uniquingKeysWith: +), orphans: one.orphans + other.orphans,
            falseReports: one.falseReports + other.falseReports
        )
    }
}

extension PlaceResult {
    /// Measures all rows that make sense at such a place, all ways to go but a dead host.
    ///
    /// - Parameter count: of each cell. Of those that send megabytes first it is half as many.
    static func measure(_ kind: Place.Kind, count: Int) throws -> PlaceResult {
        var result = PlaceResult()
        try measure(at: Place(kind), into: &result) { run in
            for activity in Activity.ofPlaces where !activity.needsOwnPlace(kind) && activity.poolers.include(kind) {
                try repeating(activity, activity.isLarge ? (count + 1) / 2 : count) { try run.drop(activity, $0) }
            }
        }
        for activity in Activity.ofPlaces where activity.needsOwnPlace(kind) && activity.poolers.include(kind) {
            try repeating(activity, (count + 1) / 2) { departure in
                try measure(at: Place(kind), into: &result) { try $0.drop(activity, departure) }
            }
        }
        if kind.isLeashed {
            try measure(at: Place(kind, losesFirstCancels: true), into: &result) { run in
                try repeating(.cancelLost, count) { try run.drop(.cancelLost, $0) }
            }
        }
        if kind.hasPool {
            try measure(at: Place(kind, poolSize: 1), into: &result) { run in
                for time in Activity.queues {
                    try repeating(.queued(time), count) { try run.dropQueued(for: time, $0) }
                }
            }
        }
        return result
    }

    private static func measure(
        at place: Place, into result: inout PlaceResult, _ body: (PlaceRun) throws -> Void
    ) throws {
        let run = PlaceRun(place)
        try body(run)
        result = try result + run.finish()
        place.stop()
    }

    /// Each way to go that makes sense, so many times.
    private static func repeating(_ activity: Activity, _ count: Int, _ body: (Departure) throws -> Void) throws {
        for departure in activity.departures where departure != .deadHost {
            for _ in 0..<count { try body(departure) }
        }
    }
}

extension Activity {
    /// PgBouncer 1.18 gives a server connection back to its pool although its client left in the middle of a message,
    /// and its reset query becomes the rest of that message: the connection is of no use any more.
    fileprivate func needsOwnPlace(_ kind: Place.Kind) -> Bool { isLarge && kind.hasPool }

    fileprivate var isLarge: Bool {
        steps.contains { if case .sendWhatFits = $0 { true } else { false } }
    }
}
