// A client in the middle of an activity that is about to leave, and the time at which it leaves.

import Foundation
import TestSupport

/// One client of the matrix.
final class DoomedClient {
    private let client: RawClient
    private let servers: [PrivatePostgres]
    /// SQL that is true for the row in `pg_stat_activity` of its backend.
    private let subject: String
    private let lastWords: [UInt8]
    private let departure: Departure
    /// The process that owns the socket, where that is killed.
    private let holder: ChildProcess?

    /// Causes the activity.
    ///
    /// - Parameters:
    ///   - client: connected, without further steps.
    ///   - servers: those that it may be connected to.
    ///   - isNameUnique: its backend is identified by its name. Through a pooler the server's own process ID is not
    ///     known.
    init(
        _ activity: Activity, _ departure: Departure, over client: RawClient, to servers: [PrivatePostgres],
        name: String, isNameUnique: Bool = false
    ) throws {
        (self.client, self.servers, self.departure) = (client, servers, departure)
        if activity.awaitsStart {
            try client.startUp(name: name, followedBy: activity.sentAhead)
            lastWords = activity.lastWords
        } else {
            lastWords = Frontend.startup(name: name) + activity.sentAhead
        }
        subject = isNameUnique ? "application_name = '\(name)'" : "pid = \(client.backendPID)"
        // The kernel ends a killed process' socket, whichever program it was. This one does nothing with it, and the
        // test's copy is closed with it.
        holder =
            try departure == .kill ? ChildProcess(Programs.system("sleep"), ["600"], input: client.descriptor) : nil
        for step in activity.steps { try take(step) }
    }

    deinit {
        // At once, also where no host would answer a FIN: the socket would keep its network namespace.
        client.reset()
    }

    var backendPID: Int { client.backendPID }

    private func take(_ step: Activity.Step) throws {
        switch step {
        case .send(let bytes): try client.send(bytes)
        case .sendWhatFits(let bytes):
            client.sendWhatFits(bytes[...], within: 200)
            // The reader had enough time.
            _ = try holds(for: .milliseconds(200), pause: .milliseconds(2)) { try !client.peerHasReadAll() }
        case .rest(let duration): rest(duration)
        case .read(let kind): try client.read(until: kind)
        case .readWhatComes: try client.skipWhatComes(within: 3)
        case .wait(let condition):
            try wait(for: "a backend of which \(condition)", pause: .microseconds(300)) {
                try servers.reduce(0) { try $0 + $1.count("\(subject) AND \(condition)") } == 1
            }
        }
    }

    /// Leaves.
    ///
    /// - Returns: the time just before it left.
    func depart() throws -> ContinuousClock.Instant {
        let before = ContinuousClock.now
        try client.send(lastWords)
        try departure(client)
        holder?.send(SIGKILL)
        return before
    }
}
