// The health endpoints: what they say in each state of pgleash, a worker that is stuck included.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When a probe asks for the health` {
        private let postgres = PrivatePostgres.shared

        /// Status and text of each probe.
        private func health(_ monitored: MonitoredPgleash) throws -> [String] {
            try ["startup", "liveness", "readiness"].map { path in
                let answer = try monitored.get(path)
                return "\(answer.status) \(answer.body)"
            }
        }

        @Test func `a pgleash that serves is well, and logs nothing about probes`() throws {
            let monitored = try MonitoredPgleash(arguments: ["--log-level", "trace"])
            try monitored.pgleash.waitForProbe()
            let log = monitored.pgleash.log
            for _ in 0..<3 { #expect(try health(monitored) == ["200 started\n", "200 alive\n", "200 ready\n"]) }
            #expect(monitored.pgleash.log == log)
            #expect(log.contains("http=127.0.0.1:\(monitored.httpPort)"))
            monitored.pgleash.stop()
        }

        @Test func `a worker that is stuck is reported within 3 seconds, and metrics come nevertheless`() throws {
            let monitored = try MonitoredPgleash(arguments: ["--workers", "3"])
            let pgleash = monitored.pgleash
            let arguments = ["\(Programs.sources)/stop_thread.py", "\(pgleash.process.pid)", "worker-1"]
            let debugger = try ChildProcess(Programs.debian("python3"), arguments)
            try wait(for: "the stop of the thread") { debugger.output == "stopped\n" || !debugger.isRunning }
            try #require(debugger.isRunning, "\(debugger.errorOutput)")
            for _ in 0..<2 {
                let time = try timed {
                    let answer = try monitored.get("liveness")
                    #expect(answer.status == 503 && answer.body == "1 of the event loops did not answer\n")
                }
                #expect(time < .seconds(3))
            }
            let metrics = try monitored.metrics()
            #expect(metrics["workers"] == 3 && metrics["workers_answering"] == 2)
            #expect(try monitored.get("readiness").status == 200)
            debugger.kill()
            try wait(for: "the thread") { try monitored.get("liveness").status == 200 }
            try wait(for: "its sessions") { try monitored.metrics()["workers_answering"] == 3 }
            #expect(try LibpqClient(port: pgleash.port).query("SELECT 1") == [["1"]])
            pgleash.stop()
        }

        @Test func `at max_sessions it is not ready, and alive`() throws {
            let monitored = try MonitoredPgleash(configuration: ["listen": ["max_sessions = 1"]])
            let client = try monitored.pgleash.connect(name: "only")
            #expect(
                try health(monitored) == ["200 started\n", "200 alive\n", "503 max_sessions is reached\n"])
            #expect(try monitored.get("status").object()["state"] as? String == "full")
            client.close()
            try wait(for: "readiness") { try monitored.get("readiness").status == 200 }
            monitored.pgleash.stop()
        }

        @Test func `from SIGTERM on it is not ready, and alive`() throws {
            // Its server never answers a cancel, so that pgleash takes some seconds to end.
            let server = try FakeServer()
            let monitored = try MonitoredPgleash(server: server.address)
            try server.acceptProbe()
            let client = try RawClient(port: monitored.pgleash.port)
            try client.send(Frontend.startup(name: "waiting"))
            let session = try server.acceptSession()
            try client.read(until: BackendKind.readyForQuery)
            try client.send(Frontend.query("SELECT 1"))
            try wait(for: "the query") { try monitored.metrics()["sessions_busy"] == 1 }
            monitored.pgleash.process.send(SIGTERM)
            try wait(for: "the end of readiness") { try monitored.get("readiness").status == 503 }
            #expect(try health(monitored) == ["200 started\n", "200 alive\n", "503 stopping\n"])
            #expect(try monitored.get("status").object()["state"] as? String == "stopping")
            try monitored.pgleash.process.wait(within: .seconds(8))
            #expect(throws: TimedOut.self) { try monitored.get("readiness") }
            withExtendedLifetime(session) {}
        }

        @Test func `readiness asks the server only where the probe wants it`() throws {
            let silent = try FakeServer()
            let (down, up, mute) = try (
                MonitoredPgleash(server: "127.0.0.1:\(freePort())"), MonitoredPgleash(),
                MonitoredPgleash(server: silent.address)
            )
            for monitored in [down, up, mute] { #expect(try monitored.get("readiness").status == 200) }
            #expect(try up.get("readiness?server").status == 200)
            #expect(try down.get("readiness?server").body == "no server accepts connections\n")
            let time = try timed {
                let answer = try mute.get("readiness?server=1")
                #expect(answer.status == 503)
            }
            #expect(time > .milliseconds(500) && time < .seconds(3))
            for monitored in [down, up, mute] { monitored.pgleash.stop() }
        }

        @Test func `many probes at once ask the server once`() throws {
            let server = try FakeServer()
            let monitored = try MonitoredPgleash(server: server.address)
            try server.acceptProbe()
            try monitored.pgleash.waitForProbe()
            let port = monitored.httpPort
            try inParallel(20) { _ in
                let answer = try curl("readiness?server", port: port)
                #expect(answer.status == 503)
            }
            var count = 0
            while server.isCalled {
                _ = try server.accept()
                count += 1
            }
            #expect((1...2).contains(count))
            monitored.pgleash.stop()
        }
    }
}
