// The health checks `pgleash --ping` and `pgleash --ping-self`.

import Reactor
import Settings
import Upstream

/// The checks of `--ping` and `--ping-self`. The exit codes are those of pg_isready.
package struct HealthCheck: Sendable {
    /// The results at the end, or when the time is over.
    private struct Findings {
        var listener: ProbeResult?
        /// The server that was asked last.
        var server: (endpoint: Endpoint, result: ProbeResult)?
        var isComplete = false
    }

    private static let accepting: Int32 = 0
    /// pgleash accepts connections, its server does not.
    private static let rejecting: Int32 = 1
    private static let noResponse: Int32 = 2

    private let listener: Endpoint
    private let servers: [Endpoint]
    private let security: ServerSecurity

    /// - Parameter security: nil where the servers are not checked.
    package init(_ configuration: Configuration, _ security: ServerSecurity?) {
        listener = configuration.listen.connectable
        servers = security == nil ? [] : configuration.server.endpoints
        self.security = security ?? .none
    }

    /// Checks the first listen address of pgleash, then its servers until one accepts connections.
    ///
    /// - Returns: the result in one line, and its exit code.
    package func run(within limit: Duration) -> (line: String, exitCode: Int32) {
        let findings = Awaited(Findings())
        do throws(SystemError) {
            // A separate thread, as the time for a name resolution has no limit.
            try startThread(named: "ping") {
                // The rest of the time is for the result.
                ask(findings, until: .now.advanced(by: limit * 9 / 10))
                findings.change { $0.isComplete = true }
            }
        } catch {
            return ("could not start a thread: \(error)", 3)
        }
        findings.wait(within: limit) { $0.isComplete }
        return findings.read(conclusion)
    }

    private func ask(_ findings: Awaited<Findings>, until deadline: MonotonicTime) {
        let answer = listener.probe(within: deadline.since(.now), isOwnListener: true)
        findings.change { $0.listener = answer }
        guard answer.isAccepting else { return }
        for (index, server) in servers.enumerated() {
            let share = deadline.since(.now) / (servers.count - index)
            let result = server.probe(security, within: share)
            findings.change { $0.server = (server, result) }
            if result.isAccepting { return }
        }
    }

    private func conclusion(_ findings: Findings) -> (line: String, exitCode: Int32) {
        let late = ProbeResult.noResponse("timeout expired")
        let answer = findings.listener ?? late
        guard answer.isAccepting, let first = servers.first else {
            return ("\(listener) - \(answer)", answer.isAccepting ? Self.accepting : Self.noResponse)
        }
        let (server, result) = findings.server ?? (first, late)
        return ("\(listener) -> \(server) - \(result)", result.isAccepting ? Self.accepting : Self.rejecting)
    }
}

extension Configuration.Listen {
    /// The first address; for a wildcard address the loopback address.
    fileprivate var connectable: Endpoint {
        let first = endpoints.joined().first ?? Endpoint(host: "127.0.0.1", port: port)
        switch first.host {
        case "0.0.0.0": return Endpoint(host: "127.0.0.1", port: port)
        case "::": return Endpoint(host: "::1", port: port)
        default: return first
        }
    }
}
