// The check `pgleash --check-monitor`.

import Reactor
import Settings
import Upstream

/// Logs in as the monitor at each address of the server, and reports what the monitor will be able to do there.
package struct MonitorCheck: Sendable {
    private struct Report {
        var lines: [String] = []
        var exitCode: Int32 = 0
        var isComplete = false
    }

    /// The exit codes are those of pg_isready.
    private enum ExitCode {
        /// The server refuses the login, or the role or the connection is not suitable.
        static let unsuitable: Int32 = 1
        static let noResponse: Int32 = 2
        /// There was no attempt.
        static let noAttempt: Int32 = 3
    }

    private let configuration: Configuration
    private let security: ServerSecurity

    package init(_ configuration: Configuration, _ security: ServerSecurity) {
        (self.configuration, self.security) = (configuration, security)
    }

    /// The reason why no monitor can connect, as far as this is known without a server; nil where there is none.
    package static func objection(to configuration: Configuration) -> MonitorLoginError? {
        guard configuration.monitor.isOn else { return nil }
        do throws(MonitorLoginError) { _ = try MonitorLogin(configuration) } catch { return error }
        return nil
    }

    /// - Returns: the report, and its exit code, which is that of the worst address.
    package func run(within limit: Duration) -> (text: String, exitCode: Int32) {
        guard configuration.monitor.isOn else { return ("[monitor] user is not set", ExitCode.noAttempt) }
        let report = Awaited(Report())
        do {
            let login = try MonitorLogin(configuration)
            // A separate thread, as the time for a name resolution has no limit.
            try startThread(named: "check") {
                check(login, report, until: .now.advanced(by: limit * 9 / 10))
                report.change { $0.isComplete = true }
            }
        } catch {
            return ("\(error)", ExitCode.noAttempt)
        }
        report.wait(within: limit) { $0.isComplete }
        return report.read { report in
            guard report.isComplete else { return ("timeout expired", ExitCode.noResponse) }
            return (report.lines.joined(separator: "\n"), report.exitCode)
        }
    }

    private func check(_ login: MonitorLogin, _ report: Awaited<Report>, until deadline: MonotonicTime) {
        for endpoint in configuration.server.endpoints {
            let answer = endpoint.probe(security, within: deadline.since(.now))
            guard answer.isAccepting, let addresses = try? endpoint.resolveWithHost() else {
                add("\(endpoint) - \(answer)", ExitCode.noResponse, to: report)
                continue
            }
            for address in addresses { check(address, login, report, until: deadline) }
        }
    }

    private func check(
        _ address: HostAddress, _ login: MonitorLogin, _ report: Awaited<Report>, until deadline: MonotonicTime
    ) {
        guard !address.address.isUnix else {
            return add("\(address.address) - no monitor over a Unix socket", ExitCode.unsuitable, to: report)
        }
        do throws(MonitorTrialError) {
            let role = try login.tryOut(at: address, within: deadline.since(.now))
            let heading = "\(address.address) - logged in as \(role.user), PostgreSQL \(role.serverVersion)"
            add("\(heading)\n\(abilities(role))", 0, to: report)
        } catch {
            add("\(address.address) - \(error)", ExitCode.unsuitable, to: report)
        }
    }

    private func abilities(_ role: MonitorRole) -> String {
        let time = configuration.cancel.terminateAfter
        let stubborn = time > .zero ? "ended after \(time)" : "not ended, as terminate_after is 0"
        let isPassed = configuration.listen.tls.mode == .passthrough
        let others = isPassed ? "by CancelRequests, or not where TLS is passed through," : "by CancelRequests,"
        let superusers = role.isSuperuser ? "by the monitor" : "\(others) as the role is no superuser"
        let unread = role.isAddressTranslated ? "not, as addresses are translated" : "by the monitor"
        return """
              cancels, pipelines: by the monitor
              servers without cancel keys, TLS that is passed through: \(unread)
              backends of superusers: \(superusers)
              backends that ignore cancels: \(stubborn)
            """
    }

    private func add(_ line: String, _ exitCode: Int32, to report: Awaited<Report>) {
        report.change { report in
            report.lines.append(line)
            report.exitCode = max(report.exitCode, exitCode)
        }
    }
}
