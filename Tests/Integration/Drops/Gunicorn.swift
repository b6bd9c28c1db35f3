// gunicorn with the small application of the tests: its workers, requests to it, and the ends of workers.

import Foundation
import TestSupport

/// A running gunicorn with two workers. It is killed, together with them, when the object is released.
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

    /// All workers so far: gunicorn replaces one that dies.
    var workers: [pid_t] { Self.workers(in: log) }

    private static func workers(in log: String) -> [pid_t] {
        log.matches(of: /Booting worker with pid: (\d+)\n/).compactMap { pid_t($0.1) }
    }

    /// Requests a page that takes long.
    ///
    /// - Returns: the connection for the response.
    func request(seconds: Int) throws -> RawClient {
        let browser = try RawClient(port: port)
        try browser.send(Array("GET /\(seconds) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        return browser
    }

    /// A worker ended with SIGKILL. Each version of gunicorn words it in its own way.
    var hasKilledWorker: Bool {
        log.contains("due to signal 9") || log.contains("was sent SIGKILL")
    }

    /// Workers that have ended.
    var deadWorkers: [pid_t] {
        workers.filter { worker in
            let stat = readText("/proc/\(worker)/stat") ?? ""
            // The state follows the name. A zombie counts as ended.
            return ["", "Z", "X"].contains(stat.split(separator: ") ").last?.prefix(1) ?? "")
        }
    }
}
