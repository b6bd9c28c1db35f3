// Configurations that cannot be used: each error ends the start with exit code 78 and a message that names it.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When the configuration can't be used` {
        /// An error, and its message after `pgleash: FILE`.
        struct Mistake: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let text: String
            let message: String

            init(_ text: String, _ message: String) {
                (testDescription, self.text, self.message) = (message, text, message)
            }
        }

        private static let mistakes = [
            Mistake(
                "[listen]\nport = 6432\nhots = ::1\n",
                #":3: [listen] unknown key "hots"; did you mean "host"? valid keys: "host", "port", "#
                    + #""max_sessions", "authentication_timeout", "tcp_keepalives_idle", "#
                    + #""tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout", "#
                    + #""sslmode", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "#
                    + #""ssl_min_protocol_version", "ssl_ciphers""#
            ),
            Mistake(
                "# a comment\n\n[lisden]\n",
                ":3: unknown section [lisden]; did you mean [listen]? "
                    + "valid sections: [listen], [server], [cancel], [monitor], [http], [metrics], [pgleash]"
            ),
            Mistake("[listen]\nport = 0\n", #":2: [listen] port = "0" is not allowed; allowed: 1 to 65535"#),
            Mistake("[listen]\nport = 65536\n", #":2: [listen] port = "65536" is not allowed; allowed: 1 to 65535"#),
            Mistake("[server]\nport = abc\n", #":2: [server] port = "abc" is not allowed; allowed: 1 to 65535"#),
            Mistake(
                "[listen]\nmax_sessions = 0\n",
                #":2: [listen] max_sessions = "0" is not allowed; allowed: 1 to 1000000"#
            ),
            Mistake(
                "[listen]\nauthentication_timeout = 601s\n",
                #":2: [listen] authentication_timeout = "601s" is not allowed; allowed: 1s to 600s"#
            ),
            Mistake(
                "[cancel]\ntimeout = 0\n", #":2: [cancel] timeout = "0" is not allowed; allowed: 1s to 1h"#
            ),
            Mistake(
                "[cancel]\nattempt_timeout = 99ms\n",
                #":2: [cancel] attempt_timeout = "99ms" is not allowed; allowed: 100ms to 60s"#
            ),
            Mistake(
                "[cancel]\nmax_concurrent = 1001\n",
                #":2: [cancel] max_concurrent = "1001" is not allowed; allowed: 1 to 1000"#
            ),
            Mistake(
                "[server]\nconnect_timeout = 1 week\n",
                #":2: [server] connect_timeout = "1 week" is not allowed; allowed: 1s to 1h; "#
                    + "a time is a whole number with us, ms, s, min, h or d"
            ),
            Mistake(
                "[metrics]\nfile = metrics\n",
                #":2: [metrics] file = "metrics" is not allowed; allowed: an absolute path"#
            ),
            Mistake("[pgleash]\nworkers = 0\n", #":2: [pgleash] workers = "0" is not allowed; allowed: 1 to 256"#),
            Mistake(
                "[pgleash]\nlog_level = loud\n",
                #":2: [pgleash] log_level = "loud" is not allowed; "#
                    + "allowed: trace, debug, info, notice, warning, error, critical"
            ),
            Mistake("port = 1\n", ":1: key outside of a section; sections begin with a line such as [listen]"),
            Mistake("[listen\n", #":1: missing "]" in section header"#),
            Mistake("[listen]\nport\n", #":2: expected "key = value" or "[section]""#),
        ]

        @Test(arguments: mistakes)
        func `a mistake in the configuration file is named with file, line and what is allowed`(
            _ mistake: Mistake
        ) throws {
            let file = try RunFolder.shared.newFile("bad.conf", mistake.text)
            for more in [[], ["--check-config"], ["--ping"]] {
                let run = try ChildProcess.run(Programs.pgleash, ["--config", file] + more)
                #expect(run.exit == .code(78))
                #expect(run.error == "pgleash: \(file)\(mistake.message)\n")
                #expect(run.output == "")
            }
        }

        @Test func `a file that isn't there or can't be read is named with the reason`() throws {
            let missing = "/no/such/pgleash.conf"
            let run = try ChildProcess.run(Programs.pgleash, ["--config", missing])
            #expect(run.exit == .code(78))
            #expect(run.error == "pgleash: \(missing): could not be read: no such file\n")

            let folder = RunFolder.shared.newFolder("folder.conf")
            let folderRun = try ChildProcess.run(Programs.pgleash, ["--config", folder])
            #expect(folderRun.exit == .code(78))
            #expect(folderRun.error.hasPrefix("pgleash: \(folder): could not be read: "))
            #expect(folderRun.error.count { $0 == "\n" } == 1)
        }

        @Test func `a port that is taken ends the start with one line`() throws {
            let other = try FakeServer()
            let file = try RunFolder.shared.newFile("pgleash.conf", "# nothing\n")
            let run = try ChildProcess.run(Programs.pgleash, ["--config", file, "--listen", other.address])
            #expect(run.exit == .code(1))
            #expect(run.error == "pgleash: could not listen on \(other.address): Address already in use\n")
        }

        @Test func `an address that isn't this machine's, or a name that isn't known, ends the start with one line`()
            throws
        {
            let file = try RunFolder.shared.newFile("pgleash.conf", "# nothing\n")
            let foreign = try ChildProcess.run(
                Programs.pgleash, ["--config", file, "--listen", "192.0.2.1:\(try freePort())"]
            )
            #expect(foreign.exit == .code(1))
            #expect(foreign.error.contains("\npgleash: could not listen on 192.0.2.1:"))
            #expect(foreign.error.hasSuffix(": Cannot assign requested address\n"))
            let unknown = try ChildProcess.run(Programs.pgleash, ["--config", file, "--listen", "no.such.invalid:1"])
            #expect(unknown.exit == .code(1))
            #expect(unknown.error.hasPrefix(#"pgleash: could not translate host name "no.such.invalid" to address: "#))
            #expect(unknown.error.count { $0 == "\n" } == 1)
        }
    }
}
