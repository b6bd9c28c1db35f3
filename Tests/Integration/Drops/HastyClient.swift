// A client that sends its last requests and is gone before it can have seen an answer: what a killed process does whose
// driver sends several messages at once.

import Foundation
import PostgresProtocol
import TestSupport

/// A way to send them.
struct HastyClient: CustomStringConvertible {
    enum Session: String, CaseIterable {
        case new = "new session"
        /// The requests are sent with the start-up packet.
        case oneSend = "start-up in one send"
        case used = "used session"
    }

    let session: Session
    let isExtended: Bool
    let farewell: Farewell

    /// - Parameter number: of the client; all ways come in turn.
    init(number: Int, sessions: [Session] = Session.allCases) {
        session = sessions[number % sessions.count]
        isExtended = number / sessions.count % 2 == 1
        farewell = number / sessions.count / 2 % 2 == 1 ? .reset : .fin
    }

    var description: String { "\(session.rawValue), \(isExtended ? "extended" : "simple"), \(farewell)" }

    /// One statement, with a ReadyForQuery of its own.
    func request(_ sql: String) -> [UInt8] {
        guard isExtended else { return Frontend.query(sql) }
        return Frontend.parse(sql) + Frontend.bind() + Frontend.describe() + Frontend.execute() + Frontend.sync
    }

    /// Comes, sends and goes.
    ///
    /// - Parameters:
    ///   - past: what a used session has asked before; it is answered.
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

    /// To sleep for part of a millisecond takes longer than that.
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
