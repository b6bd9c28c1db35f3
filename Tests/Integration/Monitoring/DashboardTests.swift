// The Grafana dashboard: a real Prometheus has an answer to each of its queries.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `The Grafana dashboard` {
        @Test func `has data in each panel, from a Prometheus that scrapes a pgleash under load`() throws {
            let files = Certificates.shared
            let monitored = try MonitoredPgleash(configuration: [
                "listen": [
                    "sslmode = allow", "ssl_cert_file = \(files[.right])", "ssl_key_file = \(files.serverKey)",
                ]
            ])
            let prometheus = try PrometheusProcess(scraping: monitored.httpPort)
            let check = try ChildProcess(
                Programs.debian("python3"),
                ["-B", "\(Programs.sources)/dashboard_check.py", "\(Programs.root)/monitoring/grafana-dashboard.json"]
                    + [prometheus.address, "40"]
            )
            let busy = try monitored.pgleash.connectBusy(name: "busy")
            // A quantile of a rate needs drops between the scrapes.
            while check.isRunning { try monitored.pgleash.connectBusy(name: "dropped").close() }
            #expect(check.exit == .code(0), "\(check.output)\(check.errorOutput)\(prometheus.log)")
            #expect(check.output.hasSuffix(" queries, 0 without data\n"))
            withExtendedLifetime(busy) {}
            monitored.pgleash.stop()
        }
    }
}

/// A Prometheus that scrapes one pgleash every second, with the alert rules. It is killed when the object is released.
private struct PrometheusProcess {
    let address: String
    private let process: ChildProcess

    init(scraping port: UInt16) throws {
        let configuration = try RunFolder.shared.newFile(
            "prometheus.yml",
            """
            global: { scrape_interval: 1s, evaluation_interval: 1s }
            rule_files: ["\(Programs.root)/monitoring/pgleash-rules.yml"]
            scrape_configs:
              - job_name: pgleash
                static_configs: [{ targets: ["127.0.0.1:\(port)"] }]

            """
        )
        let data = RunFolder.shared.newFolder("prometheus")
        let started = try startOnFreePort("Prometheus", sign: "Server is ready to receive web requests") { port in
            try ChildProcess(
                Programs.system("prometheus"),
                [
                    "--config.file=\(configuration)", "--storage.tsdb.path=\(data)",
                    "--web.listen-address=127.0.0.1:\(port)",
                ]
            )
        }
        process = started.process
        address = "http://127.0.0.1:\(started.port)"
    }

    var log: String { process.errorOutput }
}
