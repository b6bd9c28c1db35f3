// The alert rules for Prometheus: promtool's opinion of them, their cases, and their runbooks.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `The alert rules` {
        private static let folder = Programs.root + "/monitoring"

        @Test(arguments: ["check rules pgleash-rules.yml", "test rules pgleash-rules.test.yml"])
        func `satisfy promtool's`(_ command: String) throws {
            let words = ["-c", "cd '\(Self.folder)' && exec '\(Programs.system("promtool"))' \(command)"]
            let result = try ChildProcess.run(Programs.system("sh"), words)
            #expect(result.exit == .code(0), "\(result.output)\(result.error)")
        }

        @Test func `each have a case that fires and one that does not`() throws {
            let cases = "monitoring/pgleash-rules.test.yml"
            let alerts = try alerts()
            #expect(alerts == (try names(/alertname: (\w+)\n +exp_alerts:\n/, in: cases)))
            #expect(alerts == (try names(/alertname: (\w+)\n +exp_alerts: \[\]\n/, in: cases)))
        }

        @Test func `each lead to a runbook that says what to look at and what to do`() throws {
            let anchors = try names(/runbook_url: docs\/monitoring\.md#(\w+)\n/, in: "monitoring/pgleash-rules.yml")
            #expect(anchors == Set(try alerts().map { $0.lowercased() }))
            let chapters = try text(of: "docs/monitoring.md").components(separatedBy: "\n### ")
            for alert in try alerts() {
                let runbook = try #require(chapters.first { $0.hasPrefix(alert + "\n") }, "\(alert) has no runbook")
                for part in ["Meaning", "Look at", "Do"] { #expect(runbook.contains("\n- **\(part):** "), "\(alert)") }
            }
        }

        @Test(arguments: ["pgleash-rules.yml", "pgleash-rules.test.yml", "grafana-dashboard.json"])
        func `and the dashboard use metrics that pgleash has`(_ file: String) throws {
            let named = try names(/\b((?:pgleash|process)_[a-z_]+)\b/, in: "monitoring/\(file)")
            let known = try names(/\| `(\w+)(?:\{\w+\})?` \|/, in: "docs/metrics.md")
            try #require(named.count > 10)
            #expect(named.filter { !known.contains($0.replacing(/_bucket$/, with: "")) } == [])
        }

        private func alerts() throws -> Set<String> {
            let alerts = try names(/- alert: (\w+)/, in: "monitoring/pgleash-rules.yml")
            try #require(alerts.count > 10)
            return alerts
        }

        /// The first captures of all matches in a file of the repository.
        private func names(_ pattern: Regex<(Substring, Substring)>, in file: String) throws -> Set<String> {
            Set(try text(of: file).matches(of: pattern).map { String($0.1) })
        }

        private func text(of file: String) throws -> String { try #require(readText("\(Programs.root)/\(file)")) }
    }
}
