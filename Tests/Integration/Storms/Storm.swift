// A server for many drops at once, the measurements in such a storm, and the time that the server alone takes for the
// same.

import Foundation
import Synchronization
import TestSupport
import Testing

/// A server for 500 clients and some more.
enum Storm {
    static let size = 500

    /// Shared by all tests that do not end it.
    static let postgres = PrivatePostgres.untilTestsEnd { try newPostgres() }

    static func newPostgres(restarts: Bool = false) throws -> PrivatePostgres {
        try PrivatePostgres(settings: ["max_connections=\(size + 100)"], restarts: restarts)
    }
}

/// The course of a storm: the times at which no query ran and no backend was left, and its effect on bystanders.
struct StormCourse: CustomStringConvertible {
    private(set) var stopped = Duration.zero
    private(set) var gone = Duration.zero
    /// The longest wait of a bystander for a reply.
    private(set) var slowest = Duration.zero
    /// The same for one that is connected to the server directly.
    private(set) var slowestDirect = Duration.zero

    /// Watches the events that `begin` starts.
    ///
    /// - Parameter port: the port of one bystander.
    init(of name: String, on server: PrivatePostgres, port: UInt16, _ begin: () throws -> Void) throws {
        let bystander = try Bystander(port: port)
        let direct = try Bystander(port: server.port, name: "direct bystander")
        let clock = ContinuousClock()
        let start = clock.now
        try begin()
        // Each check is work for the server, too.
        let pause = Duration.milliseconds(10)
        try wait(for: "the end of all queries", within: .seconds(60), pause: pause) {
            try server.backends(name, state: "active") == 0
        }
        stopped = clock.now - start
        try wait(for: "the end of all backends", within: .seconds(60), pause: pause) { try server.backends(name) == 0 }
        gone = clock.now - start
        slowest = try bystander.stop().max() ?? .zero
        slowestDirect = try direct.stop().max() ?? .zero
    }

    var description: String {
        "stopped after \([stopped].summary), gone after \([gone].summary), a bystander waited for \([slowest].summary) "
            + "and a direct one for \([slowestDirect].summary) at most"
    }

    /// As a floor: the time in which all queries of a storm must have been stopped. A second, or where the server alone
    /// takes about as long, half as long again: the load of a busy machine varies.
    var bound: Duration { max(.seconds(1), stopped * 1.5) }

    /// As a floor: the longest wait of a bystander. 50 ms where the server alone takes no longer than on two idle
    /// processors, or the wait of a bystander without pgleash.
    var bystanderBound: Duration {
        // The load of a busy machine varies.
        let isBusy = stopped > Self.stoppedOnQuietMachine
        let load = isBusy ? 1.5 * (stopped / Self.stoppedOnQuietMachine) : 1
        return max(.milliseconds(50) * load, slowestDirect)
    }

    /// Measured with PostgreSQL 15: 500 cancels, and the ends of 500 backends at the same time.
    private static let stoppedOnQuietMachine = Duration.milliseconds(1200)

    /// The floor of two that allows more time.
    func orSlower(_ other: StormCourse) -> StormCourse { other.stopped > stopped ? other : self }

    /// Whether the bystander waited no longer than the floor, or the direct one in this course, allows.
    func isKindToBystander(floor: StormCourse) -> Bool {
        slowest < max(floor.bystanderBound, slowestDirect * 3)
    }
}

extension Storm {
    /// The same work without pgleash: 500 clients send their own CancelRequests, 16 at a time, and leave.
    static func floor() throws -> StormCourse {
        let threads = 16
        let port = postgres.port
        let begin = DispatchSemaphore(value: 0)
        let task = ParallelTask {
            try inParallel(threads) { number in
                let clients = try stride(from: number, to: size, by: threads).map { _ in try RawClient(port: port) }
                for client in clients {
                    try client.startUp(name: "floor")
                    try client.send(Frontend.query("SELECT pg_sleep(600)"))
                }
                begin.wait()
                for client in clients {
                    let cancel = try RawClient(port: port)
                    try cancel.send(Frontend.cancelRequest(client.key))
                    _ = try cancel.readToEnd()
                    client.close()
                }
            }
        }
        var hasBegun = false
        func beginAll() {
            if !hasBegun { for _ in 0..<threads { begin.signal() } }
            hasBegun = true
        }
        defer { beginAll() }
        try postgres.waitForActive("floor", event: "PgSleep", count: size)
        let course = try StormCourse(of: "floor", on: postgres, port: port) { beginAll() }
        try task.join()
        return course
    }
}
