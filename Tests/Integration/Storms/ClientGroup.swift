// Many clients in one process, pgbench, so that one signal ends all of them at once.

import Foundation

/// Clients that all wait for the same query. They end with the object, also on the server.
final class ClientGroup {
    let name: String
    let size: Int
    private let server: PrivatePostgres
    private let process: ChildProcess

    /// Returns when each of them sleeps on the server.
    init(
        _ size: Int, name: String = "group", user: String = "postgres", port: UInt16, on server: PrivatePostgres
    ) throws {
        (self.name, self.size, self.server) = (name, size, server)
        let script = try RunFolder.shared.newFile("sleep.sql", "SELECT pg_sleep(600);\n")
        process = try ChildProcess(
            Programs.postgres("pgbench"),
            [
                "--no-vacuum", "--client=\(size)", "--time=600", "--file=\(script)",
                "--host=127.0.0.1", "--port=\(port)", "--username=\(user)", "postgres",
            ],
            environment: ["PGAPPNAME": name]
        )
        let process = process
        try wait(for: "\(size) clients of \(name)", within: .seconds(60), pause: .milliseconds(50)) {
            guard process.isRunning else { throw TimedOut(description: process.errorOutput) }
            return try server.count("application_name = '\(name)' AND wait_event = 'PgSleep'") == size
        }
    }

    /// Restores the server, also where they were not reaped.
    deinit {
        kill()
        try? server.terminate(name)
    }

    /// SIGKILL: the kernel closes all sockets, one right after the other.
    func kill() {
        process.kill()
    }
}
