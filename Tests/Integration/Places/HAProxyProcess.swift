// A real HAProxy, Debian's, that distributes connections to several servers and does not read their bytes.

import Foundation
import Testing

/// A running HAProxy. It is killed when the object is released.
final class HAProxyProcess {
    let port: UInt16
    let process: ChildProcess

    /// - Parameter servers: the servers' ports of 127.0.0.1, used in turn.
    init(servers: [UInt16]) throws {
        (port, process) = try startOnFreePort("HAProxy") { port in
            let lines = servers.map { "    server server-\($0) 127.0.0.1:\($0)" }
            let file = try RunFolder.shared.newFile(
                "haproxy.cfg",
                """
                global
                    nbthread 1
                    log stdout format raw local0

                defaults
                    mode tcp
                    log global
                    option tcplog
                    timeout connect 10s
                    timeout client 1h
                    timeout server 1h

                listen postgres
                    bind 127.0.0.1:\(port)
                    balance roundrobin
                \(lines.joined(separator: "\n"))

                """
            )
            return try ChildProcess(Programs.system("haproxy"), ["-db", "-f", file])
        }
    }

    /// Its log so far: each connection, as it ends, with its server.
    var log: String { process.output }

    /// Ends it, with all its connections.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(process.isRunning, "HAProxy had ended before: \(process.errorOutput)", sourceLocation: sourceLocation)
        process.send(SIGTERM)
        _ = try? process.wait(within: .seconds(8))
    }
}
