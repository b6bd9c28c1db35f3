// Much data and many clients with TLS to the server: every byte arrives, in order, however slow the other side is.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Under load over TLS` {
        private let postgres = PrivatePostgres.encrypting

        /// 50 MB in rows of which no two are equal.
        private static let rows = "SELECT repeat(md5(number::text), 32) FROM generate_series(1, 50000) number"

        private func startPgleash(_ more: [String: [String]] = [:]) throws -> PgleashProcess {
            try PgleashProcess(serverPort: postgres.port, tls: ["sslmode = require"], more: more)
        }

        private func psql(
            _ port: UInt16, _ command: String, name: String = "bulk", input: Int32? = nil, output: String? = nil
        ) throws -> ChildProcess {
            let target = "host=127.0.0.1 port=\(port) user=postgres dbname=postgres application_name=\(name)"
            return try ChildProcess(
                Programs.postgres("psql"), ["-X", "-q", "-d", target, "-c", command],
                environment: ["PGSSLMODE": "disable"], input: input, output: output
            )
        }

        /// A file with the output of a psql command through this port.
        private func output(of command: String, port: UInt16) throws -> String {
            let file = RunFolder.shared.newPath("copied")
            let psql = try psql(port, command, output: file)
            #expect(try psql.wait(within: .seconds(60)) == .code(0), "\(psql.errorOutput)")
            return file
        }

        private func expectSame(_ file: String, _ other: String, megabytes: Int) throws {
            let run = try ChildProcess.run(Programs.system("cmp"), [file, other])
            #expect(run.exit == .code(0), "\(run.output)\(run.error)")
            let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int
            #expect(size.map { $0 >= megabytes * 1_000_000 } == true)
        }

        @Test func `50 MB out and in are the same bytes`() throws {
            let pgleash = try startPgleash()
            let direct = try output(of: "COPY (\(Self.rows)) TO STDOUT", port: postgres.port)
            let leashed = try output(of: "COPY (\(Self.rows)) TO STDOUT", port: pgleash.port)
            try expectSame(leashed, direct, megabytes: 50)

            try postgres.query("CREATE UNLOGGED TABLE bulk (line text)")
            defer { _ = try? postgres.query("DROP TABLE bulk") }
            let copied = try psql(pgleash.port, "\\copy bulk FROM '\(direct)'")
            #expect(try copied.wait(within: .seconds(60)) == .code(0), "\(copied.errorOutput)")
            try expectSame(try output(of: "COPY bulk TO STDOUT", port: postgres.port), direct, megabytes: 50)

            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["received_bytes_total", "server"] > 50_000_000)
            #expect(report["received_bytes_total", "client"] > 50_000_000)
            #expect(report.sum("protocol_errors_total") == 0)
            pgleash.stop()
        }

        @Test func `a server that stalls in the middle of a COPY gets every byte`() throws {
            let pgleash = try startPgleash()
            let direct = try output(of: "COPY (\(Self.rows)) TO STDOUT", port: postgres.port)
            try postgres.query("CREATE UNLOGGED TABLE stalled (line text)")
            defer { _ = try? postgres.query("DROP TABLE stalled") }
            let pipe = try makePipe()
            let psql = try psql(pgleash.port, "COPY stalled FROM STDIN", name: "stalling", input: pipe.read)
            close(pipe.read)
            try postgres.waitForActive("stalling", event: "ClientRead")
            let question = "SELECT pid FROM pg_stat_activity WHERE application_name = 'stalling'"
            let backend = try #require(pid_t(try postgres.value(question)))
            kill(backend, SIGSTOP)
            let feeder = try ChildProcess("/usr/bin/env", ["cat", direct], output: "/dev/fd/\(pipe.write)")
            close(pipe.write)
            // Until all buffers on the way are full.
            let before = try pgleash.report()["received_bytes_total", "client"]
            try wait(for: "a stall") {
                let one = try pgleash.report()["received_bytes_total", "client"]
                rest(.milliseconds(200))
                let other = try pgleash.report()["received_bytes_total", "client"]
                return one == other && one > before
            }
            kill(backend, SIGCONT)
            #expect(try feeder.wait(within: .seconds(60)) == .code(0), "\(feeder.errorOutput)")
            #expect(try psql.wait(within: .seconds(60)) == .code(0), "\(psql.errorOutput)")
            try expectSame(try output(of: "COPY stalled TO STDOUT", port: postgres.port), direct, megabytes: 50)
            pgleash.stop()
        }

        @Test(arguments: ["TLSv1.2", "TLSv1.3"])
        func `a client that reads in sips, and sometimes not at all, gets every byte`(_ version: String) throws {
            let pgleash = try PgleashProcess(
                serverPort: postgres.port, tls: ["sslmode = require", "ssl_max_protocol_version = \(version)"]
            )
            let sql = "COPY (SELECT repeat(md5(number::text), 32) FROM generate_series(1, 8000) number) TO STDOUT"
            func bytes(port: UInt16, sip: Int, stalls: Bool) throws -> [UInt8] {
                let client = try RawClient(port: port, receiveBuffer: stalls ? 4096 : nil)
                try client.startUp(name: "sipping")
                try client.send(Frontend.query(sql) + Frontend.terminate)
                var bytes: [UInt8] = []
                var nextStall = 1_000_000
                while let piece = try? client.receive(limit: sip) {
                    bytes += piece
                    guard stalls, bytes.count > nextStall else { continue }
                    rest(.milliseconds(150))
                    nextStall += 2_500_000
                }
                return bytes
            }
            let expected = try bytes(port: postgres.port, sip: 65_536, stalls: false)
            #expect(expected.count > 8_000_000)
            for sip in [3000, 17_000] {
                let leashed = try bytes(port: pgleash.port, sip: sip, stalls: true)
                #expect(leashed.count == expected.count)
                #expect(leashed == expected)
            }
            pgleash.stop()
        }

        @Test func `pgbench with 32 clients sees no error, with pipelines neither`() throws {
            let pgleash = try startPgleash(["pgleash": ["workers = 2"]])
            let pipeline = (1...10).map { "SELECT repeat('\($0)', \($0 * 300));" }.joined(separator: "\n")
            let scripts = [
                ("simple", "SELECT repeat('x', 20000);\n"), ("prepared", "SELECT 1;\n"),
                ("extended", "\\startpipeline\n\(pipeline)\n\\endpipeline\n"),
            ]
            let target = ["-h", "127.0.0.1", "-p", "\(pgleash.port)", "-U", "postgres", "postgres"]
            for (mode, script) in scripts {
                let file = try RunFolder.shared.newFile("script.sql", script)
                let options = ["--client=32", "--jobs=2", "--transactions=100", "--protocol=\(mode)", "--file=\(file)"]
                let run = try ChildProcess.run(
                    Programs.postgres("pgbench"), ["--no-vacuum"] + options + target,
                    environment: ["PGSSLMODE": "disable"], within: .seconds(60)
                )
                #expect(run.exit == .code(0), "\(run.error)")
                #expect(run.output.contains("number of transactions actually processed: 3200/3200"), "\(run.output)")
                #expect(run.output.contains("number of failed transactions: 0 (0.000%)"), "\(run.output)")
            }
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["sessions_opened_total"] >= 3 * 32)
            #expect(report.sum("drops_total") == 0)
            #expect(report.sum("cancels_sent_total") == 0)
            #expect(report.sum("protocol_errors_total") == 0)
            pgleash.stop()
        }
    }
}
