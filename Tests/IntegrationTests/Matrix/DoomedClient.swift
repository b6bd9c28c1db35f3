// A client in the middle of an activity that is about to go, and the moment it does.

import Foundation

/// One client of the matrix.
final class DoomedClient {
    let backend: BackendProcess
    private let client: RawClient
    private let lastWords: [UInt8]
    private let departure: Departure
    /// The process whose socket it is, where that is to be killed.
    private let holder: ChildProcess?

    /// Connects, and brings the activity about.
    init(_ activity: Activity, _ departure: Departure, on route: Route, name: String) throws {
        (self.departure, lastWords) = (departure, activity.lastWords)
        client = try route.connect(from: departure, receiveBuffer: activity.receiveBuffer)
        try client.startUp(name: name, followedBy: activity.sentAhead)
        backend = try BackendProcess(client.backendPID)
        // The kernel ends a killed process' socket for it, whichever program it was. This one does nothing with it,
        // and ours goes when it does.
        holder =
            try departure == .kill ? ChildProcess(Programs.system("sleep"), ["600"], input: client.descriptor) : nil
        for step in activity.steps { try take(step, server: route.server) }
    }

    deinit {
        // At once, also where nobody would answer a FIN: the socket would keep its network namespace.
        client.reset()
    }

    private func take(_ step: Activity.Step, server: PrivatePostgres) throws {
        switch step {
        case .send(let bytes): try client.send(bytes)
        case .sendWhatFits(let bytes):
            client.sendWhatFits(bytes[...], within: 200)
            // What reads on has had its time.
            _ = try holds(for: .milliseconds(200), pause: .milliseconds(2)) { try !client.peerHasReadAll() }
        case .rest(let duration): rest(duration)
        case .read(let kind): try client.read(until: kind)
        case .readWhatComes: try client.skipWhatComes(within: 3)
        case .wait(let condition):
            try wait(for: "a backend of which \(condition)", pause: .microseconds(300)) {
                try server.count("pid = \(client.backendPID) AND \(condition)") == 1
            }
        }
    }

    /// Goes.
    ///
    /// - Returns: when it had not yet gone.
    func depart() throws -> ContinuousClock.Instant {
        let before = ContinuousClock.now
        try client.send(lastWords)
        try departure(client)
        holder?.send(SIGKILL)
        return before
    }
}
