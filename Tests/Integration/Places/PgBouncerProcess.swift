// A real PgBouncer, Debian's, in front of a server or of pgleash.

import Foundation
import Testing

/// A running PgBouncer. It is killed when the object is released.
final class PgBouncerProcess {
    /// The time for which a client keeps its server connection.
    enum Mode: String {
        case session, transaction
    }

    let port: UInt16
    let process: ChildProcess

    /// - Parameters:
    ///   - server: the port of 127.0.0.1 behind it.
    ///   - poolSize: how many server connections it has at the most; further clients wait for one.
    init(server: UInt16, mode: Mode, poolSize: Int) throws {
        (port, process) = try startOnFreePort("PgBouncer", sign: "process up") { port in
            let file = try RunFolder.shared.newFile(
                "pgbouncer.ini",
                """
                [databases]
                * = host=127.0.0.1 port=\(server) user=postgres

                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = \(port)
                unix_socket_dir =
                auth_type = any
                pool_mode = \(mode.rawValue)
                default_pool_size = \(poolSize)
                max_client_conn = 1000
                ignore_startup_parameters = extra_float_digits

                """
            )
            let words = Self.otherUser + [Programs.system("pgbouncer"), file]
            return try ChildProcess(words[0], Array(words.dropFirst()))
        }
    }

    /// PgBouncer refuses to run as root.
    private static let otherUser: [String] = {
        guard geteuid() == 0, let user = unsafe getpwnam("postgres") ?? getpwnam("nobody") else { return [] }
        let (id, group) = unsafe (user.pointee.pw_uid, user.pointee.pw_gid)
        return [Programs.system("setpriv"), "--reuid=\(id)", "--regid=\(group)", "--clear-groups"]
    }()

    /// Its log so far: each client that connected and left, each server connection with the reason of its end.
    var log: String { process.errorOutput }

    /// Ends it, with all its connections.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(process.isRunning, "PgBouncer had ended before: \(log)", sourceLocation: sourceLocation)
        process.send(SIGTERM)
        _ = try? process.wait(within: .seconds(8))
    }
}
