// The command line without serving: help, version and health checks.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `On the command line` {
        private func pgleash(_ arguments: String...) throws -> (exit: Exit, output: String, error: String) {
            try ChildProcess.run(Programs.pgleash, arguments)
        }

        /// `--ping` of a pgleash that listens on `listen` in front of `server`.
        private func ping(listen: String, server: String) throws -> (exit: Exit, output: String, error: String) {
            let file = try RunFolder.shared.newFile("empty.conf", "# nothing\n")
            return try pgleash("--config", file, "--listen", listen, "--server", server, "--ping")
        }

        @Test func `--version and --help answer on standard output`() throws {
            let version = try pgleash("--version")
            #expect(version.exit == .code(0))
            #expect(version.output.wholeMatch(of: /pgleash [0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
            let help = try pgleash("--help")
            #expect(help.exit == .code(0))
            for option in [
                "--config", "--listen", "--server", "--workers", "--log-level", "--log-format", "--check-config",
                "--ping", "--ping-self", "--check-monitor", "--timeout",
            ] {
                #expect(help.output.contains(option))
            }
        }

        @Test func `--check-config accepts what is right, and starts nothing`() throws {
            let file = try RunFolder.shared.newFile(
                "good.conf", "[listen]\nhost = localhost\nport = 1\n[cancel]\ntimeout = 1min\n"
            )
            let run = try pgleash("--config", file, "--check-config")
            #expect(run.exit == .code(0))
            #expect(run.output == "pgleash: \(file): the configuration is valid\n")
            #expect(run.error == "")
        }

        @Test(.enabled(if: !FileManager.default.fileExists(atPath: "/etc/pgleash/pgleash.conf")))
        func `--check-config says that there is no file, where there is none`() throws {
            let run = try pgleash("--check-config")
            #expect(run.exit == .code(0))
            let file = "/etc/pgleash/pgleash.conf"
            #expect(run.output == "pgleash: no configuration file at \(file); the configuration is valid\n")
            #expect(run.error == "")
        }

        @Test func `what is probably not meant is a warning, of --check-config and in the log`() throws {
            let files = Certificates.shared
            let text = """
                [listen]
                sslmode = require
                ssl_cert_file = \(files[.expired])
                ssl_key_file = \(files.serverKey)
                [server]
                sslrootcert = \(files.authority)
                """
            let file = try RunFolder.shared.newFile("odd.conf", text)
            let check = try pgleash("--config", file, "--check-config")
            #expect(check.exit == .code(0))
            #expect(check.output == "pgleash: \(file): the configuration is valid\n")
            let unverified = "not used: sslmode is prefer, and nothing is verified"
            #expect(
                check.error == """
                    pgleash: warning: \(file):6: [server] sslrootcert: \(unverified)
                    pgleash: warning: \(file):3: [listen] ssl_cert_file: the certificate has expired

                    """
            )
            let taken = try FakeServer()
            let start = try pgleash("--config", file, "--listen", taken.address)
            let lines = start.error.split(separator: "\n").filter { $0.contains(" level=warning ") }
            #expect(lines.count == 2, "\(start.error)")
            #expect(lines.first?.contains("\(file):6: [server] sslrootcert") == true, "\(start.error)")
            #expect(lines.last?.contains("the certificate has expired") == true, "\(start.error)")
        }

        @Test func `a wrong argument is explained, with the exit code for wrong usage`() throws {
            for arguments in [
                ["--listen", "6432"], ["--http", "9188"], ["--workers", "0"], ["--log-level", "loud"], ["--bogus"],
            ] {
                let run = try ChildProcess.run(Programs.pgleash, arguments)
                #expect(run.exit == .code(64))
                #expect(run.error.contains(arguments[0]))
                #expect(run.output == "")
            }
        }

        @Test(arguments: ["<&- >&- 2>&-", "<&- >&-", ">&- 2>&-", "<&- 2>&-", "2>&-"])
        func `started without standard input, output or error it serves, and rests while there is nothing to do`(
            closed: String
        ) throws {
            let port = try freePort()
            let file = try RunFolder.shared.newFile("empty.conf", "# nothing\n")
            let pgleash = try ChildProcess(
                Programs.system("sh"),
                [
                    "-c", "exec \"$@\" \(closed)", "sh", Programs.pgleash, "--config", file,
                    "--listen", "127.0.0.1:\(port)", "--server", PrivatePostgres.shared.address, "--workers", "1",
                ]
            )
            try wait(for: "pgleash") { (try? LibpqClient(port: port).query("SELECT 1")) == [["1"]] }
            let before = pgleash.processorTime
            rest(.milliseconds(500))
            #expect(pgleash.processorTime - before < .milliseconds(100))
            let opened = try (0...2).map {
                try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pgleash.pid)/fd/\($0)")
            }
            #expect(opened.allSatisfy { $0.hasPrefix("/") }, "\(opened)")
            pgleash.send(SIGTERM)
            #expect(try pgleash.wait() == .code(0))
        }

        @Test func `--ping says 0 when pgleash and the server take connections`() throws {
            let server = PrivatePostgres.shared
            let pgleash = try PgleashProcess()
            let run = try ping(listen: pgleash.address, server: server.address)
            #expect(run.exit == .code(0))
            #expect(run.output == "\(pgleash.address) -> \(server.address) - accepting connections\n")
            pgleash.stop()
        }

        @Test func `--ping says 1 when the server behind a running pgleash is not there`() throws {
            let server = try FakeServer(isListening: false)
            let pgleash = try PgleashProcess(server: server.address)
            let run = try ping(listen: pgleash.address, server: server.address)
            #expect(run.exit == .code(1))
            let reason = "could not connect to server at \(server.address): Connection refused"
            #expect(run.output == "\(pgleash.address) -> \(server.address) - no response: \(reason)\n")
            pgleash.stop()
        }

        @Test func `--ping says 1 when the server accepts connections and says nothing`() throws {
            let server = try FakeServer()
            let pgleash = try PgleashProcess(server: server.address)
            let run = try ping(listen: pgleash.address, server: server.address)
            #expect(run.exit == .code(1))
            #expect(run.output.hasPrefix("\(pgleash.address) -> \(server.address) - no response: "))
            pgleash.stop()
        }

        @Test func `--timeout bounds --ping`() throws {
            let silent = try FakeServer()
            let file = try RunFolder.shared.newFile("empty.conf", "# nothing\n")
            let start = ContinuousClock.now
            let run = try pgleash("--config", file, "--listen", silent.address, "--ping", "--timeout", "1")
            #expect(start.duration(to: .now) < .seconds(2))
            #expect(run.exit == .code(2))
            #expect(run.output.hasPrefix("\(silent.address) - no response: "))
        }

        @Test func `--ping-self asks about pgleash alone`() throws {
            let server = try FakeServer(isListening: false)
            let pgleash = try PgleashProcess(server: server.address)
            let file = try RunFolder.shared.newFile("empty.conf", "# nothing\n")
            let run = try self.pgleash("--config", file, "--listen", pgleash.address, "--ping-self")
            #expect(run.exit == .code(0))
            #expect(run.output == "\(pgleash.address) - accepting connections\n")
            pgleash.stop()
        }

        @Test(arguments: ["SSH-2.0-OpenSSH_9.2\r\n", "+OK ready\r\n", "N and more"])
        func `--ping-self takes no other service for pgleash`(greeting: String) throws {
            let other = try FakeServer()
            let file = try RunFolder.shared.newFile("empty.conf", "# nothing\n")
            let ping = try ChildProcess(Programs.pgleash, ["--config", file, "--listen", other.address, "--ping-self"])
            let client = try other.accept()
            try client.send(Array(greeting.utf8))
            #expect(try ping.wait() == .code(2))
            #expect(ping.output.hasPrefix("\(other.address) - no response: received "))
        }

        @Test(arguments: ["disable", "prefer"])
        func `--ping leaves no line in the server's log, nor in pgleash's`(mode: String) throws {
            let server = PrivatePostgres.shared
            let pgleash = try PgleashProcess(configuration: ["server": ["sslmode = \(mode)"]])
            try pgleash.waitForProbe()
            let (log, own) = (server.log, pgleash.log)
            let file = try RunFolder.shared.newFile("mode.conf", "[server]\nsslmode = \(mode)\n")
            let words = ["--config", file, "--listen", pgleash.address, "--server", server.address, "--ping"]
            for _ in 0..<3 {
                #expect(try ChildProcess.run(Programs.pgleash, words).exit == .code(0))
            }
            rest(.milliseconds(100))
            #expect(server.log == log)
            #expect(pgleash.log == own)
            pgleash.stop()
        }

        @Test func `--ping says 2 when pgleash is not there`() throws {
            let nobody = try FakeServer(isListening: false)
            let run = try ping(listen: nobody.address, server: PrivatePostgres.shared.address)
            #expect(run.exit == .code(2))
            let reason = "could not connect to server at \(nobody.address): Connection refused"
            #expect(run.output == "\(nobody.address) - no response: \(reason)\n")
        }
    }
}
