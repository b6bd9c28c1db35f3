// The queue of cancel orders for one address of the server: which are carried out, which wait, and in which order.

/// The orders for one address. A few are carried out at a time, the others wait in three queues. Orphans and clients
/// with keys of known sessions take turns. Orders with unknown keys, which any client can cause in any number, come
/// last and get a small share of the places.
struct CancelLane {
    /// A client of one session can send any number of cancels. A later one would have to wait long, too.
    static let mostClientsWaiting = 1024
    /// Far fewer: such a cancel needs no login, and is most often a mistake or an attack.
    static let mostUnknownKeysWaiting = 64
    /// One place in so many may be occupied by an unknown key, and always one.
    static let unknownKeyShare = 8

    private let places: Int
    private var orphans = OrderQueue()
    private var clients = OrderQueue()
    private var unknownKeys = OrderQueue()
    private var isClientsTurn = false
    private var running = 0
    private var unknownKeysRunning = 0

    /// - Parameter places: the number of orders that are carried out at a time, at least 1.
    init(places: Int) {
        self.places = places
    }

    /// No order is being carried out or waits.
    var isEmpty: Bool { running == 0 && orphans.isEmpty && clients.isEmpty && unknownKeys.isEmpty }

    /// - Returns: false when too many orders of its kind wait.
    mutating func append(_ order: CancelOrder) -> Bool {
        switch order.purpose {
        case .orphan: orphans.append(order)
        case .client:
            guard clients.count < Self.mostClientsWaiting else { return false }
            clients.append(order)
        case .unknownKey:
            guard unknownKeys.count < Self.mostUnknownKeysWaiting else { return false }
            unknownKeys.append(order)
        }
        return true
    }

    /// The next order to be carried out, which occupies a place until `leave`; nil when there is none, or no place.
    mutating func begin() -> CancelOrder? {
        while running < places, let order = takeFirst() {
            // The reply may have arrived while the order waited.
            guard order.beginDialling() else { continue }
            running += 1
            if order.purpose == .unknownKey { unknownKeysRunning += 1 }
            return order
        }
        return nil
    }

    /// An order that was carried out has ended.
    mutating func leave(_ order: CancelOrder) {
        running -= 1
        if order.purpose == .unknownKey { unknownKeysRunning -= 1 }
    }

    private mutating func takeFirst() -> CancelOrder? {
        defer { isClientsTurn.toggle() }
        let known =
            isClientsTurn
            ? clients.takeFirst() ?? orphans.takeFirst()
            : orphans.takeFirst() ?? clients.takeFirst()
        if let known { return known }
        return unknownKeysRunning < max(1, places / Self.unknownKeyShare) ? unknownKeys.takeFirst() : nil
    }
}

/// Orders that wait, in the order of their arrival.
private struct OrderQueue {
    private var orders: [CancelOrder] = []
    private var next = 0

    var count: Int { orders.count - next }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ order: CancelOrder) {
        orders.append(order)
    }

    mutating func takeFirst() -> CancelOrder? {
        guard next < orders.count else { return nil }
        defer { forgetTaken() }
        next += 1
        return orders[next - 1]
    }

    private mutating func forgetTaken() {
        guard next == orders.count || next >= 1024 else { return }
        orders.removeFirst(next)
        next = 0
    }
}
