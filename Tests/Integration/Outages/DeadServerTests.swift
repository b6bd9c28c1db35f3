// A server that is down must not look up because pgleash is up: to pg_isready, and to clients with several hosts.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `When the server can't be reached` {
        private let postgres = PrivatePostgres.shared

        private func isReady(_ port: UInt16) throws -> (exit: Exit, output: String, error: String) {
            try ChildProcess.run(Programs.postgres("pg_isready"), ["-h", "127.0.0.1", "-p", "\(port)"])
        }

        /// The port of the server that psql connects to, with these ports of 127.0.0.1.
        private func serverReached(_ ports: [UInt16]) throws -> (exit: Exit, output: String, error: String) {
            let hosts = ports.map { _ in "127.0.0.1" }.joined(separator: ",")
            let list = ports.map(String.init).joined(separator: ",")
            let target = "host=\(hosts) port=\(list) user=postgres dbname=postgres"
            return try ChildProcess.run(Programs.postgres("psql"), ["-X", "-d", target, "-Atc", "SHOW port"])
        }

        @Test func `pg_isready says that connections are accepted only where the server accepts them`() throws {
            let pgleash = try PgleashProcess()
            #expect(try isReady(pgleash.port).exit == .code(0))
            pgleash.stop()
            let dead = try FakeServer(isListening: false)
            let before = try PgleashProcess(server: dead.address)
            let run = try isReady(before.port)
            #expect(run.exit == .code(1))
            #expect(run.output == "127.0.0.1:\(before.port) - rejecting connections\n")
            before.stop()
        }

        @Test(arguments: ["127.0.0.1", "no.such.invalid"])
        func `a client with several hosts goes on to the next one`(host: String) throws {
            let dead = try FakeServer(isListening: false)
            let pgleash = try PgleashProcess(server: "\(host):\(dead.port)")
            let run = try serverReached([pgleash.port, postgres.port])
            #expect(run.exit == .code(0))
            #expect(run.output == "\(postgres.port)\n")
            pgleash.stop()
        }

        @Test func `a client goes on to the next one also where the server's TLS is not what it has to be`() throws {
            let pgleash = try PgleashProcess(configuration: ["server": ["sslmode = require"]])
            #expect(try isReady(pgleash.port).exit == .code(1))
            #expect(try serverReached([pgleash.port, postgres.port]).output == "\(postgres.port)\n")
            pgleash.stop()
        }
    }
}
