// A real PostgreSQL for the tests only, run by scripts/private-postgres, and a direct connection to watch it.

import Foundation
import Synchronization
import TestSupport

/// A server that stops and deletes its files when the object is released or the tests end.
final class PrivatePostgres: @unchecked Sendable {
    /// The server of most tests. Tests run one after the other, so that they can share it.
    static let shared = untilTestsEnd {
        let postgres = try PrivatePostgres()
        isSharedStarted.store(true, ordering: .relaxed)
        return postgres
    }

    /// A server that tests share. Without it no test could run, so the run ends if it does not start.
    static func untilTestsEnd(_ start: () throws -> PrivatePostgres) -> PrivatePostgres {
        do {
            let postgres = try start()
            RunFolder.shared.atEnd { postgres.stop() }
            return postgres
        } catch {
            fatalError("PostgreSQL did not start: \(error)")
        }
    }

    static let isSharedStarted = Atomic<Bool>(false)

    let port: UInt16
    /// The folder of its Unix socket.
    let socketFolder: String
    private(set) var postmaster: pid_t
    private let logFile: String
    private let script: ChildProcess
    private let input: Int32
    private var connection: LibpqClient?

    /// - Parameter settings: of postgresql.conf, as `name=value`.
    convenience init(_ settings: String...) throws {
        try self.init(settings: settings)
    }

    /// - Parameters:
    ///   - files: put into the data folder under these names, readable by the server alone.
    ///   - restarts: it starts again whenever it ends.
    init(settings: [String], files: [(name: String, path: String)] = [], restarts: Bool = false) throws {
        let pipe = try makePipe()
        input = pipe.write
        defer { close(pipe.read) }
        script = try ChildProcess(
            Programs.root + "/scripts/private-postgres",
            (restarts ? ["--restart"] : []) + settings.flatMap { ["-c", $0] }
                + files.flatMap { ["--file", "\($0.name)=\($0.path)"] },
            environment: ["TMPDIR": "/tmp"], input: pipe.read
        )
        let script = script
        let line = try wait(for: "the start of PostgreSQL", within: .seconds(60), pause: .milliseconds(20)) {
            guard script.isRunning else { throw TimedOut(description: script.errorOutput) }
            return script.output.hasSuffix("\n") ? script.output : nil
        }
        let facts = Report.fields(String(line.dropLast()))
        port = UInt16(facts["port"] ?? "") ?? 0
        socketFolder = facts["socket"] ?? ""
        postmaster = pid_t(facts["pid"] ?? "") ?? 0
        logFile = facts["log"] ?? ""
    }

    deinit {
        stop()
    }

    var address: String { "127.0.0.1:\(port)" }

    /// The server's log so far.
    var log: String { readText(logFile) ?? "" }

    /// Stops the server and waits until its files are deleted.
    func stop() {
        guard script.isRunning else { return }
        connection = nil
        close(input)
        _ = try? script.wait(within: .seconds(20))
    }

    /// Waits until a server that restarts has done so; a smart shutdown waits for the tests' own connection, too.
    func waitForRestart() throws {
        connection = nil
        let (script, old) = (script, postmaster)
        postmaster = try wait(for: "the restart of PostgreSQL", within: .seconds(60), pause: .milliseconds(20)) {
            guard script.isRunning else { throw TimedOut(description: script.errorOutput) }
            let line = script.output.split(separator: "\n").last.map(String.init) ?? ""
            return Report.fields(line)["pid"].flatMap { pid_t($0) }.flatMap { $0 == old ? nil : $0 }
        }
    }

    /// Runs SQL over a direct connection, which `backends` does not count.
    ///
    /// - Returns: the rows of the last statement.
    @discardableResult
    func query(_ sql: String) throws -> [[String]] {
        if connection?.isConnected != true {
            connection = try LibpqClient("host=127.0.0.1 port=\(port) user=postgres application_name=observer")
        }
        return try connection?.query(sql) ?? []
    }

    /// The first value of the first row.
    func value(_ sql: String) throws -> String { try query(sql).first?.first ?? "" }
}

extension PrivatePostgres {
    /// Backends for which an SQL condition on `pg_stat_activity` is true.
    func count(_ condition: String) throws -> Int {
        Int(try value("SELECT count(*) FROM pg_stat_activity WHERE \(condition)")) ?? -1
    }

    /// Client backends with this application_name, in any state unless one is given.
    func backends(_ name: String, state: String? = nil) throws -> Int {
        let condition = state.map { " AND state = '\($0)'" } ?? ""
        return try count("application_name = '\(name)'\(condition)")
    }

    /// Waits until a backend of this name runs a query, and waits for `event` where one is given.
    func waitForActive(_ name: String, event: String? = nil, count: Int = 1) throws {
        let condition = event.map { " AND wait_event = '\($0)'" } ?? ""
        try wait(for: "\(count) active backend(s) of \(name)") {
            try self.count(
                "application_name = '\(name)' AND state IN ('active', 'fastpath function call')\(condition)"
            ) == count
        }
    }

    /// The time until no backend of this name exists; pauses of the machine do not count.
    func timeUntilGone(_ name: String, within duration: Duration = .seconds(10)) throws -> Duration {
        try MachinePauses.shared.timed {
            try wait(for: "the end of \(name)'s backend", within: duration, pause: .microseconds(500)) {
                try backends(name) == 0
            }
        }
    }

    /// Ends sessions that a test left running on purpose.
    func terminate(_ name: String) throws {
        try query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '\(name)'")
        try wait(for: "the end of \(name)'s terminated backend") { try backends(name) == 0 }
    }
}
