// /metrics: Prometheus accepts it, and it says the same as the report.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When Prometheus asks for the metrics` {
        private func check(_ text: String) throws -> String {
            let file = try RunFolder.shared.newFile("metrics.txt", text)
            let command = "exec '\(Programs.system("promtool"))' check metrics <'\(file)'"
            let result = try ChildProcess.run(Programs.system("sh"), ["-c", command])
            return result.exit == .code(0) ? result.output + result.error : "\(result)"
        }

        @Test func `they are those of the report and of the process, and promtool has nothing to say against them`()
            throws
        {
            let monitored = try MonitoredPgleash()
            let pgleash = monitored.pgleash
            let busy = try pgleash.connectBusy(name: "busy")
            try pgleash.connectBusy(name: "dropped").close()
            try pgleash.waitForReport("the outcome") { $0.sum("orphans_total") == 1 }
            let answer = try monitored.get("metrics")
            #expect(answer.status == 200)
            #expect(answer.header.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
            #expect(try check(answer.body) == "")
            let (metrics, report) = try (Report(parsing: answer.body), pgleash.report())
            #expect(Set(metrics.values.keys) == Set(report.values.keys))
            for (name, value) in metrics.values where name.hasPrefix("pgleash_") && !name.contains("query_oldest") {
                #expect(report.values[name] == value, "\(name)")
            }
            #expect(metrics["sessions_busy"] == 1 && metrics["workers"] == metrics["workers_answering"])
            let oldest = try #require(metrics.values["pgleash_query_oldest_seconds"])
            #expect(oldest > 0 && oldest < 60)
            withExtendedLifetime(busy) {}
            pgleash.stop()
        }

        @Test func `they are by user and database where the operator asks for that`() throws {
            let monitored = try MonitoredPgleash(configuration: ["metrics": ["labels = user, database"]])
            let pgleash = monitored.pgleash
            let busy = try pgleash.connectBusy(name: "busy")
            try pgleash.connectBusy(name: "dropped").close()
            try pgleash.waitForReport("the outcome") { $0.sum("orphans_total") == 1 }
            // Who can connect can name anybody in a startup packet.
            let stranger = try RawClient(port: pgleash.port)
            try stranger.send(Frontend.startup(user: "stranger", database: "nowhere", name: "x"))
            _ = try stranger.readToEnd()
            let text = try monitored.get("metrics").body
            let login = #"user="postgres",database="postgres""#
            #expect(try check(text) == "")
            let values = try Report(parsing: text).values
            #expect(values["pgleash_login_sessions{\(login)}"] == 1)
            #expect(values["pgleash_login_sessions_busy{\(login)}"] == 1)
            #expect(values["pgleash_login_query_oldest_seconds{\(login)}"].map { $0 > 0 && $0 < 60 } == true)
            #expect(values["pgleash_login_orphans_total{\(login),outcome=\"cancelled\"}"] == 1)
            #expect(!text.contains("stranger"))
            withExtendedLifetime(busy) {}
            pgleash.stop()
        }

        @Test func `those of the process are the system's`() throws {
            let monitored = try MonitoredPgleash()
            try monitored.pgleash.waitForProbe()
            let values = try monitored.metrics().values
            let start = try #require(values["process_start_time_seconds"])
            #expect(abs(start - Date().timeIntervalSince1970) < 60)
            let resident = try #require(values["process_resident_memory_bytes"]) / 1024
            #expect(abs(resident - Double(monitored.pgleash.memory("VmRSS"))) < 4096)
            let virtual = try #require(values["process_virtual_memory_bytes"]) / 1024
            #expect(abs(virtual - Double(monitored.pgleash.memory("VmSize"))) < 4096)
            // The connection of the request is open, too.
            let descriptors = try #require(values["process_open_fds"])
            #expect((0...2).contains(Int(descriptors) - monitored.pgleash.descriptors))
            let limits = try #require(readText("/proc/\(monitored.pgleash.process.pid)/limits"))
            let limit = limits.split(separator: "\n").first { $0.hasPrefix("Max open files") }
            #expect(limit?.split(separator: " ").dropFirst(3).first == values["process_max_fds"].map { "\(Int($0))" })
            let time = try #require(values["process_cpu_seconds_total"])
            #expect(time > 0 && time <= monitored.pgleash.processorTime / .seconds(1) + 0.1)
            monitored.pgleash.stop()
        }

        @Test func `they are in OpenMetrics where it asks for that`() throws {
            let monitored = try MonitoredPgleash()
            let answer = try monitored.get("metrics", ["-H", "Accept: application/openmetrics-text;version=1.0.0"])
            #expect(
                answer.header.contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"))
            #expect(answer.body.hasSuffix("\n# EOF\n"))
            #expect(answer.body.contains("# TYPE pgleash_drops counter\npgleash_drops_total{kind=\"fin\"} 0\n"))
            monitored.pgleash.stop()
        }

        @Test func `they say when a certificate ends and whether its last reading succeeded`() throws {
            let (files, certificate) = (Certificates.shared, RunFolder.shared.newPath("server.crt"))
            try FileManager.default.copyItem(atPath: files[.right], toPath: certificate)
            let lines = ["sslmode = allow", "ssl_cert_file = \(certificate)", "ssl_key_file = \(files.serverKey)"]
            let monitored = try MonitoredPgleash(configuration: ["listen": lines])
            let command = #"date -u -d "$(openssl x509 -in "$0" -noout -enddate | cut -d= -f2)" +%s"#
            let end = try ChildProcess.run(Programs.system("sh"), ["-c", command, certificate]).output
            let before = try monitored.metrics()
            let name = "pgleash_certificate_not_after_timestamp_seconds{file=\"\(certificate)\"}"
            #expect(before.values[name] == Double(end.trimmingCharacters(in: .whitespacesAndNewlines)))
            let time = "pgleash_config_last_reload_success_timestamp_seconds"
            #expect(before["config_last_reload_successful"] == 1)
            #expect(before.values[time].map { abs($0 - Date().timeIntervalSince1970) < 60 } == true)

            try "nonsense".write(toFile: certificate, atomically: false, encoding: .utf8)
            monitored.pgleash.process.send(SIGHUP)
            try wait(for: "the failure") { try monitored.metrics()["config_last_reload_successful"] == 0 }
            #expect(try monitored.metrics().values[time] == before.values[time])
            #expect(try monitored.metrics().values[name] == before.values[name], "the old one is in use")

            try FileManager.default.removeItem(atPath: certificate)
            try FileManager.default.copyItem(atPath: files[.right], toPath: certificate)
            monitored.pgleash.process.send(SIGHUP)
            try wait(for: "the success") { try monitored.metrics()["config_last_reload_successful"] == 1 }
            #expect(try monitored.metrics().values[time] != before.values[time])
            monitored.pgleash.stop()
        }
    }
}
