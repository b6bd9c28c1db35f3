// The figures of one cell of the matrix, and their bounds.

/// The results of a number of clients that left in one way.
struct Cell {
    /// The times from before the client left to the end of its backend, of those that ended.
    var times: [Duration] = []
    /// The number of those that had not ended at the end of the wait.
    var orphans = 0

    var count: Int { times.count + orphans }
    var median: Duration? { orphans * 2 >= count ? nil : times.sorted()[(count - 1) / 2] }
    var worst: Duration? { orphans > 0 ? nil : times.max() }

    mutating func add(_ time: Duration?) {
        if let time { times.append(time) } else { orphans += 1 }
    }

    /// The violation of a bound; nil when there is none.
    func excess(over bound: Bound) -> String? {
        guard let median, let worst else { return "\(orphans) of \(count) were never ended" }
        if median > bound.median { return "\(times.summary), and the median may be \(bound.median.milliseconds) ms" }
        if worst > bound.worst { return "\(times.summary), and the longest may be \(bound.worst.milliseconds) ms" }
        return nil
    }

    static func + (one: Cell, other: Cell) -> Cell {
        Cell(times: one.times + other.times, orphans: one.orphans + other.orphans)
    }
}

/// The bounds of a cell.
struct Bound {
    let median: Duration
    let worst: Duration

    /// For a host that died without sending a packet.
    static let deadHost = Bound(median: Route.keepalive + .seconds(1), worst: Route.keepalive + .seconds(1))

    /// For a client whose end the network tells.
    ///
    /// On a machine with nothing else to do a cancel is over within 1 ms, and the absolute bounds count. A slow one has
    /// two floors for each interrupt, as they come one after the other and one that comes between two statements is
    /// lost, and four for what comes around them: noticing the drop, reading what the server still says, the end of
    /// the session, and that of the backend. Each takes less than a cancel, which is a connection, a fork and a signal.
    ///
    /// - Parameter isEncrypted: a TLS handshake, which needs the processor, stands before each cancel; so the longest
    ///   of times, which a pause of the machine makes, has more room.
    init(_ activity: Activity, floors: [Duration], isEncrypted: Bool = false) {
        let factor = activity.interrupts * 2 + 4
        // The mean, as the times of so many cancels add up.
        median = activity.withoutCancels + max(.milliseconds(25), floors.reduce(.zero, +) / floors.count * factor)
        let cancels = max(.milliseconds(isEncrypted ? 1000 : 250), (floors.max() ?? .zero) * factor)
        worst = activity.withoutCancels + activity.standstill + cancels
    }

    private init(median: Duration, worst: Duration) {
        (self.median, self.worst) = (median, worst)
    }
}
