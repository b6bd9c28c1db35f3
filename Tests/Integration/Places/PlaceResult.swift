// The results of all drops at a place.

/// The cells, and the violations in words.
struct PlaceResult {
    struct Key: Hashable {
        let activity: String
        let departure: Departure
    }

    var cells: [Key: Cell] = [:]
    /// The work that remained at the end of the time.
    var orphans: [String] = []
    /// The work that pgleash reported as ended while it ran.
    var falseReports: [String] = []

    /// All cells of a row together; nil where the row makes no sense.
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
    /// Measures all rows that make sense at such a place, all ways to leave except a dead host.
    ///
    /// - Parameter count: the number for each cell; half as many for those that send megabytes first.
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

    /// Each way to leave that makes sense, this number of times.
    private static func repeating(_ activity: Activity, _ count: Int, _ body: (Departure) throws -> Void) throws {
        for departure in activity.departures where departure != .deadHost {
            for _ in 0..<count { try body(departure) }
        }
    }
}

extension Activity {
    /// PgBouncer 1.18 returns a server connection to its pool although its client left in the middle of a message, and
    /// its reset query becomes the rest of that message: the connection can no longer be used.
    fileprivate func needsOwnPlace(_ kind: Place.Kind) -> Bool { isLarge && kind.hasPool }

    fileprivate var isLarge: Bool {
        steps.contains { if case .sendWhatFits = $0 { true } else { false } }
    }
}
