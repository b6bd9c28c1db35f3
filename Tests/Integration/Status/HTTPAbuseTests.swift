// Hostile clients of the HTTP endpoints: a bystander's queries go on, and a probe is answered.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite(.serialized) struct `When clients misuse the HTTP endpoints` {
        private static let get = Array("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)

        /// The bystander's waits while `body` runs.
        private func disturb(_ monitored: MonitoredPgleash, _ body: () throws -> Void) throws {
            let bystander = try Bystander(port: monitored.pgleash.port)
            try body()
            #expect(try monitored.get("readiness").status == 200)
            #expect(try monitored.get("liveness").status == 200)
            let waits = try bystander.stop()
            print("a bystander of HTTP clients: \(waits.summary)")
            #expect(waits.count > 10)
            #expect(waits.sorted()[waits.count / 2] < .milliseconds(20))
            monitored.pgleash.stop()
        }

        @Test func `a thousand connections that say nothing keep no probe out, and take few descriptors`() throws {
            let monitored = try MonitoredPgleash()
            try monitored.pgleash.waitForProbe()
            let before = monitored.pgleash.descriptors
            try disturb(monitored) {
                var clients: [RawClient] = []
                for number in 0..<1000 {
                    let client = try RawClient(port: monitored.httpPort)
                    // Some stop in the middle of a request.
                    try? client.send(Array(Self.get.prefix(number % 40)))
                    clients.append(client)
                    if number % 100 == 99 { #expect(try monitored.get("readiness").status == 200) }
                }
                #expect(monitored.pgleash.descriptors - before <= 200)
                clients = []
            }
        }

        @Test func `clients that do not read get no more than their share of memory`() throws {
            let monitored = try MonitoredPgleash()
            let before = monitored.pgleash.memory("VmRSS")
            try disturb(monitored) {
                let clients = try (0..<200).map { _ in try RawClient(port: monitored.httpPort, receiveBuffer: 2048) }
                for client in clients {
                    for _ in 0..<20 { client.sendWhatFits(Self.get[...], within: 10) }
                }
                rest(.seconds(1))
                #expect(monitored.pgleash.memory("VmRSS") - before < 64 * 1024)
            }
        }

        @Test func `garbage is answered with an error or the end`() throws {
            let monitored = try MonitoredPgleash()
            var generator = SeededGenerator(seed: 17)
            try disturb(monitored) {
                for number in 0..<300 {
                    let client = try RawClient(port: monitored.httpPort, timeout: 3)
                    var bytes = (0..<Int.random(in: 1...600, using: &generator)).map { _ in
                        UInt8.random(in: 0...255, using: &generator)
                    }
                    if number % 3 == 0 {
                        bytes = Self.get.map { Int.random(in: 0..<8, using: &generator) == 0 ? 0xff : $0 }
                    }
                    try? client.send(bytes)
                    if number % 2 == 0 { client.shutdownSending() } else { client.reset() }
                    if number % 2 == 0, let answer = try? client.readToEnd() {
                        #expect(answer.isEmpty || answer.starts(with: "HTTP/1.".utf8))
                    }
                }
            }
        }

        @Test func `a silent client is disconnected`() throws {
            let monitored = try MonitoredPgleash()
            let client = try RawClient(port: monitored.httpPort, timeout: 15)
            try client.send(Array(Self.get.dropLast(2)))
            let time = try timed {
                let bytes = try client.readToEnd()
                #expect(bytes == [])
            }
            #expect(time > .seconds(8) && time < .seconds(13))
            monitored.pgleash.stop()
        }

        @Test func `without descriptors no processor is burnt`() throws {
            let port = try freePort()
            let launcher = [Programs.system("prlimit"), "--nofile=64:64", "--"]
            let pgleash = try PgleashProcess(arguments: ["--http", "127.0.0.1:\(port)"], launcher: launcher)
            try pgleash.waitForProbe()
            let clients = (0..<100).map { _ in try? RawClient(port: port) }
            let before = pgleash.processorTime
            rest(.seconds(1))
            #expect(pgleash.processorTime - before < .milliseconds(300))
            withExtendedLifetime(clients) {}
            pgleash.stop()
        }

        @Test func `polling by many does not keep the workers from their sessions`() throws {
            let monitored = try MonitoredPgleash()
            let clients = try (0..<40).map { try monitored.pgleash.connect(name: "client \($0)") }
            let port = monitored.httpPort
            try disturb(monitored) {
                try inParallel(4) { _ in
                    for _ in 0..<25 {
                        let answers = try [curl("sessions", port: port), curl("metrics", port: port)]
                        #expect(answers.map(\.status) == [200, 200])
                    }
                }
            }
            withExtendedLifetime(clients) {}
        }
    }
}
