// `pgleash --ping` and `pgleash --ping-self`.

import Reactor
import Settings
import Upstream

/// What `--ping` and `--ping-self` ask; the exit codes are those of pg_isready.
package struct HealthCheck: Sendable {
    /// What is known at the end, or when the time is over.
    private struct Findings {
        var listener: ProbeResult?
        /// The best of the servers.
        var server: (endpoint: Endpoint, result: ProbeResult)?
        var isComplete = false
    }

    private static let accepting: Int32 = 0
    /// pgleash is there, its server is not.
    private static let rejecting: Int32 = 1
    private static let noResponse: Int32 = 2

    private let listener: Endpoint
    private let servers: [Endpoint]
    private let security: ServerSecurity

    /// - Parameter security: nil where the servers are not to be asked.
    package init(_ configuration: Configuration, _ security: ServerSecurity?) {
        listener = configuration.listen.connectable
        servers = security == nil ? [] : configuration.server.endpoints
        self.security = security ?? .none
    }

    /// Asks the first address that pgleash listens on, then its servers, of which any will do.
    ///
    /// - Returns: what was found, in one line, and the exit code for it.
    package func run(within limit: Duration) -> (line: String, exitCode: Int32) {
        // OpenSSL writes without MSG_NOSIGNAL.
        SignalWatch.ignoreBrokenPipes()
        let findings = Awaited(Findings())
        do throws(SystemError) {
            // On a thread of its own, as nothing bounds the time in which a name is resolved.
            try startThread(named: "ping") {
                ask(findings)
                findings.change { $0.isComplete = true }
            }
        } catch {
            return ("could not start a thread: \(error)", 3)
        }
        findings.wait(within: limit) { $0.isComplete }
        return findings.read(conclusion)
    }

    private func ask(_ findings: Awaited<Findings>) {
        let answer = listener.probe(.none)
        findings.change { $0.listener = answer }
        guard answer.isAccepting else { return }
        for server in servers {
            let result = server.probe(security)
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
    /// The first address, where one that stands for all of the machine's is its loopback address.
    fileprivate var connectable: Endpoint {
        let first = endpoints.joined().first ?? Endpoint(host: "127.0.0.1", port: port)
        switch first.host {
        case "0.0.0.0": return Endpoint(host: "127.0.0.1", port: port)
        case "::": return Endpoint(host: "::1", port: port)
        default: return first
        }
    }
}
