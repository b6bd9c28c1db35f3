// A client in the middle of an activity that is about to go, and the moment it does.

import Foundation
import TestSupport

/// One client of the matrix.
final class DoomedClient {
    private let client: RawClient
    private let servers: [PrivatePostgres]
    /// SQL that is true of the row in `pg_stat_activity` of what works for it.
    private let subject: String
    private let lastWords: [UInt8]
    private let departure: Departure
    /// The process whose socket it is, where that is to be killed.
    private let holder: ChildProcess?

    /// Brings the activity about.
    ///
    /// - Parameters:
    ///   - client: connected, and nothing more.
    ///   - servers: those it may be led to.
    ///   - isNameUnique: what works for it is known by its name. Through a pooler the server's own process ID isn't.
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
        // The kernel ends a killed process' socket for it, whichever program it was. This one does nothing with it,
        // and ours goes when it does.
        holder =
            try departure == .kill ? ChildProcess(Programs.system("sleep"), ["600"], input: client.descriptor) : nil
        for step in activity.steps { try take(step) }
    }

    deinit {
        // At once, also where nobody would answer a FIN: the socket would keep its network namespace.
        client.reset()
    }

    var backendPID: Int { client.backendPID }

    private func take(_ step: Activity.Step) throws {
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
                try servers.reduce(0) { try $0 + $1.count("\(subject) AND \(condition)") } == 1
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
