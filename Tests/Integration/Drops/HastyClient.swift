// A client that sends its last requests and leaves before it can have received a reply, like a killed process whose
// driver sends several messages at once.

import Foundation
import PostgresProtocol
import TestSupport

/// A way to send the requests.
struct HastyClient: CustomStringConvertible {
    enum Session: String, CaseIterable {
        case new = "new session"
        /// The requests are sent with the startup packet.
        case oneSend = "startup in one send"
        case used = "used session"
    }

    let session: Session
    let isExtended: Bool
    let farewell: Farewell

    /// - Parameter number: the number of the client; all ways are used in turn.
    init(number: Int, sessions: [Session] = Session.allCases) {
        session = sessions[number % sessions.count]
        isExtended = number / sessions.count % 2 == 1
        farewell = number / sessions.count / 2 % 2 == 1 ? .reset : .fin
    }

    var description: String { "\(session.rawValue), \(isExtended ? "extended" : "simple"), \(farewell)" }

    /// One statement, with its own ReadyForQuery.
    func request(_ sql: String) -> [UInt8] {
        guard isExtended else { return Frontend.query(sql) }
        return Frontend.parse(sql) + Frontend.bind() + Frontend.describe() + Frontend.execute() + Frontend.sync
    }

    /// Connects, sends and leaves.
    ///
    /// - Parameters:
    ///   - past: the earlier requests of a used session, which are answered.
    ///   - stay: the longest time between the last byte sent and the end.
    func visit(
        port: UInt16, name: String, past: [UInt8] = Frontend.query("SELECT 1"), requests: [UInt8], stay: Duration
    ) throws {
        let client = try RawClient(port: port)
        switch session {
        case .oneSend: try client.send(Frontend.startup(name: name) + requests)
        case .new:
            try client.startUp(name: name)
            try client.send(requests)
        case .used:
            try client.startUp(name: name)
            try client.send(past)
            try client.read(until: BackendKind.readyForQuery)
            try client.send(requests)
        }
        Self.stay(stay * Double.random(in: 0...1))
        try client.leave(farewell)
    }

    /// A sleep of part of a millisecond takes longer.
    private static func stay(_ duration: Duration) {
        guard duration < .milliseconds(1) else { return rest(duration) }
        let end = ContinuousClock.now.advanced(by: duration)
        while ContinuousClock.now < end {}
    }
}

extension HastyClient {
    /// So many clients. Returns when nothing of theirs is left on the server.
    ///
    /// - Parameters:
    ///   - threads: how many of them come at a time. Where a cancel is to meet a statement that is over in no time, it
    ///     is one: others keep the cancel waiting.
    ///   - name: the application_name of all of them.
    ///   - visit: a visit of the client of this number.
    static func send(
        _ count: Int, threads: Int = 8, name: String, through pgleash: PgleashProcess, to server: PrivatePostgres,
        _ visit: @escaping @Sendable (Int) throws -> Void
    ) throws {
        try inParallel(threads) { thread in
            for number in stride(from: thread, to: count, by: threads) { try visit(number) }
        }
        try pgleash.waitForReport("no session", within: .seconds(60)) { $0["sessions_active"] == 0 }
        try wait(for: "the end of all backends of \(name)", within: .seconds(60)) { try server.backends(name) == 0 }
    }
}
