// /sessions and /status: what they say of sessions and orphans, whatever names their clients chose.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When a browser asks for the sessions` {
        private func sessions(_ answer: HTTPAnswer) throws -> [[String: Any]] {
            #expect(answer.status == 200 && answer.header.contains("Content-Type: application/json\r\n"))
            return try #require(answer.object()["sessions"] as? [[String: Any]])
        }

        @Test func `they are listed and selected`() throws {
            let monitored = try MonitoredPgleash()
            let idle = try monitored.pgleash.connect(name: "idle")
            let busy = try monitored.pgleash.connectBusy(name: "busy")
            let all = try sessions(monitored.get("sessions"))
            #expect(all.map { $0["application_name"] as? String } == ["busy", "idle"])
            #expect(all.map { $0["state"] as? String } == ["active", "idle"])
            #expect(all.map { $0["pid"] as? Int } == [busy.backendPID, idle.backendPID])
            #expect(all.map { $0["client"] as? String } == [busy.localAddress, idle.localAddress])
            #expect((all[0]["query"] as? Double).map { $0 > 0 } == true && all[1]["query"] is NSNull)
            #expect(try sessions(monitored.get("sessions?state=idle")).count == 1)
            #expect(try sessions(monitored.get("sessions?address=\(busy.localAddress)&user=postgres")).count == 1)
            #expect(try sessions(monitored.get("sessions?limit=1&offset=1")).count == 1)
            #expect(try sessions(monitored.get("sessions?database=none")).isEmpty)
            #expect(try monitored.get("sessions?limit=0").status == 400)
            monitored.pgleash.stop()
        }

        @Test(arguments: [
            "</script><script>alert(1)</script>", "\"},{\"a\":\"", "\\\" \\u0022",
            "tab\tfeed\nreturn\rescape\u{1b}[31m",
            "\u{202e}\u{2028}\u{feff}", String(repeating: "\u{1}", count: 63), String(repeating: "🐘", count: 15),
        ])
        func `a name changes nothing but its own text`(_ name: String) throws {
            let monitored = try MonitoredPgleash()
            let client = try monitored.pgleash.connect(name: name)
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try wait(for: "a busy session") { try monitored.metrics()["sessions_busy"] == 1 }
            let answer = try monitored.get("sessions")
            let listed = try sessions(answer)
            #expect(listed.count == 1 && listed[0].count == 9)
            let isHarmful = { (scalar: Unicode.Scalar) in
                [.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
            }
            #expect(!answer.body.unicodeScalars.contains(where: isHarmful))
            let shown = try #require(listed[0]["application_name"] as? String)
            if name.unicodeScalars.allSatisfy({ $0.isASCII && !isHarmful($0) }) { #expect(shown == name) }
            client.close()
            try monitored.pgleash.waitForReport("the outcome") { $0.sum("orphans_total") == 1 }
            let status = try monitored.get("status")
            #expect(!status.body.unicodeScalars.contains(where: isHarmful))
            let orphans = try #require(status.object()["orphans"] as? [[String: Any]])
            #expect(orphans.count == 1 && orphans[0]["outcome"] as? String == "cancelled")
            #expect(orphans[0]["application_name"] as? String == shown)
            monitored.pgleash.stop()
        }

        @Test func `bytes that are no text are replaced`() throws {
            let monitored = try MonitoredPgleash()
            let client = try RawClient(port: monitored.pgleash.port)
            let parameters = Array("user\0".utf8) + [0xff, 0xfe, 0xc3, 0] + Array("database\0x\0\0".utf8)
            let length = UInt32(8 + parameters.count)
            try client.send(
                [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + [0, 3, 0, 0] + parameters)
            _ = try client.readMessage()
            #expect(try monitored.get("sessions").object()["total"] != nil)
            #expect(try monitored.get("status").object()["version"] != nil)
            monitored.pgleash.stop()
        }

        @Test func `the status has the configuration with its origins, and what is being reaped`() throws {
            let monitored = try MonitoredPgleash(configuration: ["cancel": ["grace = 5s", "exclude_user = etl"]])
            try monitored.pgleash.connectBusy(name: "left").close()
            try wait(for: "the orphan") {
                try (monitored.get("status").object()["reaping"] as? [[String: Any]])?.count == 1
            }
            let status = try monitored.get("status").object()
            #expect(status["state"] as? String == "ready" && status["reaping_total"] as? Int == 1)
            #expect((status["process"] as? [String: Any])?["pid"] as? Int == Int(monitored.pgleash.process.pid))
            #expect(status["listen"] as? [String] == [monitored.pgleash.address])
            let settings = try #require(status["configuration"] as? [[String: Any]])
            func setting(_ key: String) -> [String: Any] { settings.first { $0["key"] as? String == key } ?? [:] }
            #expect(setting("grace")["value"] as? String == "5s" && setting("grace")["default"] as? Bool == false)
            #expect((setting("grace")["origin"] as? String)?.contains("pgleash.conf:") == true)
            #expect(setting("exclude_user")["value"] as? String == "etl")
            #expect(setting("timeout")["default"] as? Bool == true && setting("timeout")["origin"] is NSNull)
            #expect(setting("ssl_cert_file")["reload"] as? Bool == true)
            let counts = (status["reap_seconds"] as? [String: Any])?["counts"] as? [Int]
            #expect(counts == Array(repeating: 0, count: 15))
            monitored.pgleash.stop()
        }

        @Test func `the page is there, and may only load from pgleash`() throws {
            let monitored = try MonitoredPgleash()
            let answer = try monitored.get("")
            let source = try #require(readText(Programs.root + "/Sources/Proxy/Status/page.html"))
            #expect(answer.status == 200 && answer.body == source)
            #expect(answer.header.contains("Content-Type: text/html; charset=utf-8\r\n"))
            let policy = "Content-Security-Policy: default-src 'none'; style-src 'sha256-"
            #expect(answer.header.contains(policy) && answer.header.contains("; script-src 'sha256-"))
            #expect(answer.header.contains("connect-src 'self'") && !answer.header.contains("unsafe"))
            #expect(!answer.header.contains("Access-Control-Allow"))
            monitored.pgleash.stop()
        }

        @Test func `an address that is taken ends the start`() throws {
            let taken = try FakeServer()
            let arguments = ["--listen", "127.0.0.1:\(try freePort())", "--http", taken.address]
            let run = try ChildProcess.run(Programs.pgleash, arguments)
            #expect(run.exit == .code(1))
            let reason = "could not listen on \(taken.address): Address already in use"
            #expect(run.error.hasSuffix("pgleash: [http] listen: \(reason)\n"), "\(run.error)")
        }

        @Test func `on a Unix socket they come without a check of the host, and the socket's file goes at the end`()
            throws
        {
            let path = RunFolder.shared.newFolder("http") + "/http.sock"
            let pgleash = try PgleashProcess(arguments: ["--http", path])
            let answer = try curl("readiness", port: 80, ["--unix-socket", path, "-H", "Host: anything"])
            #expect(answer.status == 200)
            pgleash.stop()
        }
    }
}
