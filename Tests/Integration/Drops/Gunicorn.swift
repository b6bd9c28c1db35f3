// gunicorn as people run it, with the small application of the tests: its workers, requests to it, and their deaths.

import Foundation
import TestSupport

/// A running gunicorn with two workers. It is killed, with them, when the object goes.
final class Gunicorn {
    /// The application_name of its database connections.
    let name: String
    private let process: ChildProcess
    private let port: UInt16

    /// - Parameters:
    ///   - driver: the Python module that connects to the database.
    ///   - timeout: seconds after which gunicorn ends a worker that is still at the same request.
    init(driver: String, database port: UInt16, name: String, timeout: Int) throws {
        self.name = name
        let process = try ChildProcess(
            Programs.debian("gunicorn"),
            ["-w", "2", "-t", "\(timeout)", "-b", "127.0.0.1:0", "--chdir", Programs.sources, "app:app"],
            environment: [
                "DATABASE_URL": "postgresql://postgres@127.0.0.1:\(port)/postgres?application_name=\(name)",
                "DRIVER": driver, "PYTHONDONTWRITEBYTECODE": "1",
            ]
        )
        self.process = process
        try wait(for: "two workers of gunicorn") {
            guard process.isRunning else { throw TimedOut(description: "gunicorn: \(process.errorOutput)") }
            return Self.workers(in: process.errorOutput).count == 2
        }
        self.port = process.errorOutput.firstMatch(of: /Listening at: \S+:(\d+) \(/).flatMap { UInt16($0.1) } ?? 0
    }

    var log: String { process.errorOutput }

    /// All there have been so far: for one that dies another is started.
    var workers: [pid_t] { Self.workers(in: log) }

    private static func workers(in log: String) -> [pid_t] {
        log.matches(of: /Booting worker with pid: (\d+)\n/).compactMap { pid_t($0.1) }
    }

    /// Asks for a page that takes its time.
    ///
    /// - Returns: the connection, on which the answer would come.
    func request(seconds: Int) throws -> RawClient {
        let browser = try RawClient(port: port)
        try browser.send(Array("GET /\(seconds) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        return browser
    }

    /// Workers that run no more.
    var deadWorkers: [pid_t] {
        workers.filter { worker in
            let stat = readText("/proc/\(worker)/stat") ?? ""
            // The state comes behind the name; one nobody has waited for yet is as dead as one that is no more.
            return ["", "Z", "X"].contains(stat.split(separator: ") ").last?.prefix(1) ?? "")
        }
    }
}
