// pgleash without a resource: the server, descriptors, places, time.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When something is missing or used up` {
        private let postgres = PrivatePostgres.shared

        @Test func `while the server is down clients get an error, and are served as soon as it is back`() throws {
            // A port of another program that refuses, then a socket that is created later.
            let refusing = try FakeServer(isListening: false)
            let folder = RunFolder.shared.newFolder("later")
            let path = "\(folder)/.s.PGSQL.\(refusing.port)"
            let pgleash = try PgleashProcess(
                server: nil,
                configuration: ["server": ["host = 127.0.0.1, \(folder)", "port = \(refusing.port)"]]
            )
            let client = try RawClient(port: pgleash.port)
            try client.send(Frontend.startup(name: "early"))
            let error = try client.readMessage()
            #expect(error.field("S") == "FATAL")
            #expect(error.field("C") == "57P03")
            #expect(
                error.field("M")
                    == "could not connect to server at \(refusing.address): Connection refused; "
                    + "could not connect to server at \(path): No such file or directory"
            )
            #expect(try client.readToEnd() == [])
            client.close()
            let errors = try pgleash.waitForLogLines("level=error")
            #expect(errors.contains { $0.contains("\(refusing.address): Connection refused") })
            #expect(try pgleash.report()["connect_failures_total"] == 1)

            let real = "\(postgres.socketFolder)/.s.PGSQL.\(postgres.port)"
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: real)
            #expect(try LibpqClient(port: pgleash.port).query("SELECT 1") == [["1"]])
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["sessions_ended_total", "server_unreachable"] == 1)
            pgleash.stop()
        }

        @Test func `a server whose name is unknown is an error for its client only`() throws {
            let pgleash = try PgleashProcess(server: "no.such.invalid:5432")
            let client = try RawClient(port: pgleash.port)
            try client.send(Frontend.startup(name: "lost"))
            let error = try client.readMessage()
            #expect(error.field("C") == "57P03")
            #expect(error.field("M").hasPrefix(#"could not translate host name "no.such.invalid" to address: "#))
            client.close()
            pgleash.stop()
        }

        @Test func `a client that says too little for too long is closed`() throws {
            let pgleash = try PgleashProcess(configuration: ["listen": ["authentication_timeout = 1s"]])
            let served = try pgleash.connect(name: "served")
            let silent = try RawClient(port: pgleash.port)
            let halfway = try RawClient(port: pgleash.port)
            try halfway.send(Array(Frontend.startup(name: "halfway").dropLast()))
            let afterSSL = try RawClient(port: pgleash.port)
            try afterSSL.send(Frontend.sslRequest)
            #expect(try afterSSL.readBytes(1) == [UInt8(ascii: "N")])
            let time = try timed {
                for client in [silent, halfway, afterSSL] { try #require(try client.readToEnd() == []) }
            }
            #expect(time > .milliseconds(900))
            #expect(time < .seconds(3))
            let report = try pgleash.report()
            #expect(report["sessions_ended_total", "authentication_timeout"] == 3)
            #expect(report["sessions_active"] == 1)
            try served.send(Frontend.query("SELECT 1"))
            #expect(try served.read(until: BackendKind.readyForQuery).map(\.kind) == Array("TDCZ".utf8))
            pgleash.stop()
        }

        @Test func `above max_sessions clients are refused, and a cancel is welcome all the same`() throws {
            let pgleash = try PgleashProcess(configuration: ["listen": ["max_sessions = 3"]])
            let busy = try pgleash.connectBusy(name: "busy")
            var others = try (1...2).map { _ in try pgleash.connect(name: "other") }
            let excess = try RawClient(port: pgleash.port)
            try excess.send(Frontend.startup(name: "excess"))
            let error = try excess.readMessage()
            #expect(error.field("S") == "FATAL")
            #expect(error.field("C") == "53300")
            #expect(error.field("M") == "sorry, too many clients already")
            #expect(try excess.readToEnd() == [])
            excess.close()

            let cancel = try RawClient(port: pgleash.port)
            try cancel.send(Frontend.cancelRequest(busy.key))
            let answer = try busy.read(until: BackendKind.readyForQuery)
            #expect(answer.first { $0.kind == BackendKind.errorResponse }?.field("C") == "57014")
            #expect(try cancel.readToEnd() == [])
            cancel.close()

            // As many again may be in their startup, and 16 more from this machine; further connections are closed.
            let waiting = try (1...19).map { _ in try RawClient(port: pgleash.port) }
            try pgleash.waitForReport("22 sessions") { $0["sessions_active"] == 22 }
            #expect(try RawClient(port: pgleash.port).readToEnd() == [])
            let report = try pgleash.report()
            #expect(report["clients_rejected_total"] == 1)
            #expect(report["sessions_ended_total", "too_many_clients"] == 1)
            waiting.forEach { $0.close() }

            // A released place is available for the next client.
            others.removeLast().close()
            try pgleash.waitForReport("two sessions") { $0["sessions_active"] == 2 }
            #expect(try LibpqClient(port: pgleash.port).query("SELECT 1") == [["1"]])
            pgleash.stop()
        }

        @Test func `without descriptors sessions go on, new clients wait or are refused, and no processor is burnt`()
            throws
        {
            let limit = ["prlimit", "--nofile=40:40", "--"]
            let pgleash = try PgleashProcess(launcher: [Programs.system(limit[0])] + limit.dropFirst())
            let served = try pgleash.connect(name: "served")
            var group: [RawClient] = []
            for _ in 0..<60 {
                let client = try RawClient(port: pgleash.port)
                try client.send(Frontend.startup(name: "group"))
                group.append(client)
            }
            try wait(for: "the lack of descriptors") { pgleash.descriptors == 40 || pgleash.log.contains("accept") }

            let before = pgleash.processorTime
            var answers = 0
            let isServed = try holds(for: .seconds(1)) {
                try served.send(Frontend.query("SELECT 1"))
                answers += 1
                return try served.read(until: BackendKind.readyForQuery).count == 4
            }
            #expect(isServed)
            #expect(answers > 10)
            // 50 queries at 20 ms: more than a fifth of a processor is a busy loop.
            #expect(pgleash.processorTime - before < .milliseconds(200))

            // Each client of the group is served, gets the error that there is no place, or still waits.
            let outcomes = group.map { outcome(of: $0) }
            print("out of descriptors: \(Set(outcomes).map { word in "\(outcomes.count { $0 == word }) \(word)" })")
            #expect(outcomes.allSatisfy { ["R", "53300", "waiting"].contains($0) })
            #expect(outcomes.contains { $0 != "R" })
            group.forEach { $0.close() }
            group = []
            // Those that waited are accepted and have left, which may exhaust the descriptors once more.
            try wait(for: "a place for a new client") {
                (try? LibpqClient(port: pgleash.port).query("SELECT 1")) == [["1"]]
            }
            try pgleash.waitForReport("one session") { $0["sessions_active"] == 1 }
            pgleash.stop()
        }

        /// The type of the first message, the code of an error, or that there is none yet.
        private func outcome(of client: RawClient) -> String {
            var query = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&query, 1, 0) > 0 else { return "waiting" }
            guard let message = try? client.readMessage() else { return "closed" }
            return message.kind == BackendKind.errorResponse
                ? message.field("C") : String(decoding: [message.kind], as: UTF8.self)
        }
    }
}
