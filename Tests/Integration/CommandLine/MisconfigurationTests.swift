// Configurations with mistakes, and the message for each of --check-config, with its exit code.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A configuration that is wrong` {
        struct Case: Sendable, CustomTestStringConvertible {
            var text = ""
            var arguments: [String] = []
            var environment: [String: String] = [:]
            let exit: Int32
            /// A part of standard error.
            let message: String

            var testDescription: String {
                ([text.replacing("\n", with: "⏎")] + arguments + environment.map { "\($0.key)=\($0.value)" })
                    .filter { !$0.isEmpty }.joined(separator: " ")
            }
        }

        private static func file(_ text: String, _ message: String) -> Case {
            Case(text: text, exit: 78, message: message)
        }

        private static func warning(_ text: String, _ message: String) -> Case {
            Case(text: text, exit: 0, message: "warning: FILE:\(message)")
        }

        private static func option(_ arguments: [String], _ message: String) -> Case {
            Case(arguments: arguments, exit: 64, message: message)
        }

        private static func variable(_ name: String, _ value: String, exit: Int32 = 78, _ message: String) -> Case {
            Case(environment: [name: value], exit: exit, message: message)
        }

        private static let ownLine = "comments must be on their own line"
        private static let noPort = "the port has a key of its own"
        private static let tooManyWords = "clients choose user and database"

        private static let hosts: [Case] = [
            file("[server]\nhost = 127.0.0.1 ; primary", "FILE:2: [server] host = \"127.0.0.1 ; primary\""),
            file("[server]\nhost = 127.0.0.1 ; primary", ownLine),
            file("[server]\nhost = 127.0.0.1 # primary", ownLine),
            file("[server]\nhost = db one", #"no host name contains " ""#),
            file("[server]\nhost == db", "write only the host"),
            file("[server]\nhost = ${DB_HOST}", "variables are not expanded"),
            file("[server]\nhost = $DB_HOST", "variables are not expanded"),
            file("[server]\nhost = run/pg", "the directory of a socket must be an absolute path"),
            file("[server]\nhost = 10.0.0.300", #""10.0.0.300" is not an IP address"#),
            file("[server]\nhost = 5432", #""5432" is not an IP address"#),
            file("[server]\nhost = db:5432", noPort),
            file("[server]\nhost = 'db.example.com'", "values must not be quoted"),
            file("[server]\nhost = \"db\"", "values must not be quoted"),
            file("[server]\nhost = db,,other", "a host is missing"),
            file("[server]\nhost = postgresql://app@db/shop", tooManyWords),
            file("[server]\nhost = *", #"no host name contains "*""#),
            file("[server]\nhost = 127.0.0.1\0garbage", "FILE:2: the line contains a control character"),
            file("[listen]\nhost = d\u{e4}tenbank", "no host name contains"),
            file(
                "[listen]\nport = 6432\n[server]\nhost = localhost\nport = 6432", "FILE:4: [server] host and port are"),
        ]

        private static let values: [Case] = [
            file("[listen]\nports = 7410", #"FILE:2: [listen] unknown key "ports"; did you mean "port"? valid keys: "#),
            file("[listn]", "FILE:1: unknown section [listn]; did you mean [listen]? valid sections: "),
            file("port = 7410", "FILE:1: key outside of a section"),
            file("[listen", #"FILE:1: missing "]" in section header"#),
            file("[listen]\nport", #"FILE:2: expected "key = value" or "[section]""#),
            file("[listen]\nport = 0", #"FILE:2: [listen] port = "0" is not allowed; allowed: 1 to 65535"#),
            file("[listen]\nport = 7410 # mine", ownLine),
            file("[cancel]\ntimeout = 1.5s", "a time is a whole number with us, ms, s, min, h or d"),
            file("[cancel]\ntimeout = 5m", "a time is a whole number with us, ms, s, min, h or d"),
            file("[cancel]\nread_ahead = 64MiB", "with a unit: B, kB, MB, GB, TB"),
            file("[cancel]\nread_ahead = 64", "with a unit: B, kB, MB, GB, TB"),
            file("[cancel]\ngrace = 60s", "FILE:2: [cancel] grace must be less than timeout"),
            file("[server]\nuser = app", #"unknown key "user"; \#(tooManyWords)"#),
            file("[server]\nservice = shop", #"unknown key "service"; \#(tooManyWords)"#),
            file("[server]\nsslmode = requre", #"did you mean "require"?"#),
            file("[server]\nsslsni = perhaps", "allowed: 0 or 1"),
            file("[server]\nsslmode = verify-full", "FILE:2: [server] sslmode = verify-full needs sslrootcert"),
            file("[server]\nsslcert = /a.crt", "FILE:2: [server] sslcert and sslkey must be set together"),
            file("[listen]\nsslmode = require", "FILE:2: [listen] sslmode = require needs ssl_cert_file"),
            file("[pgleash]\nlog_level = warn", #"did you mean "warning"?"#),
            file("[pgleash]\nlog_format = jsn", #"did you mean "json"?"#),
            file("[pgleash]\nlog_connections = perhaps", "allowed: on or off"),
            file("[metrics]\nfile = metrics.prom", "allowed: an absolute path"),
            file("[server]\nsslmode = require\nsslrootcert = /no/such.crt", "FILE:3: [server] sslrootcert: "),
        ]

        private static let warnings: [Case] = [
            warning("[server]\nport = 1\nport = 2", "3: [server] port: it is set in line 2 too; the last line counts"),
            warning("[server]\ntcp_user_timeout = 30", "2: [server] tcp_user_timeout: 30ms is very short"),
            warning("[metrics]\nfile = /no/such/x.prom", "2: [metrics] file: its directory does not exist"),
            warning("[listen]\nhost = *", "2: [listen] host: clients on other machines connect without TLS"),
            warning("[server]\nsslrootcert = /a.crt", "2: [server] sslrootcert: not used: sslmode is prefer"),
            Case(
                arguments: ["--server", "a", "--server", "b"], exit: 0,
                message: "warning: option --server: it is given more than once; the last one counts"
            ),
        ]

        private static let isPassed = "[listen]\nsslmode = passthrough\n"
        private static let monitor: [Case] = [
            file("[monitor]\nuser = m\nsslmode = off", #"FILE:3: [monitor] sslmode: invalid sslmode value: "off""#),
            file(
                "[monitor]\nuser = m\nservice = x", #"FILE:3: [monitor] service: definition of service "x" not found"#),
            file("[monitor]\nuser = m\nchannel_binding = on", "[monitor] channel_binding: invalid"),
            file("[monitor]\nuser = m\ngssencmode = x", "[monitor] gssencmode: invalid gssencmode value"),
            warning("[monitor]\nuser = m\npassfile = /no/such", "3: [monitor] passfile: there is no such file"),
            warning("[monitor]\nuser = m\nsslkey = /no/such", "3: [monitor] sslkey: there is no such file"),
            warning("[monitor]\nuser = m\nsslcert = /etc", "3: [monitor] sslcert: it is not a regular file"),
            warning("[monitor]\nuser = m\npassfile = /etc/passwd", "3: [monitor] passfile: libpq ignores it"),
            warning(
                isPassed + "[monitor]\nuser = m\nrecovery_file = /x",
                "5: [monitor] recovery_file: sessions whose TLS is passed through are not recorded"
            ),
            warning(
                isPassed + "[monitor]\nuser = m\n[server]\nhost = db.invalid,/run/postgresql",
                "6: [server] host: a socket directory has no TLS that could be passed through"
            ),
            warning(
                isPassed + "ssl_min_protocol_version = TLSv1.3\n[monitor]\nuser = m",
                "3: [listen] ssl_min_protocol_version: not used: sslmode is passthrough"
            ),
        ]

        private static let options: [Case] = [
            option(["--server", "db:"], #"'--server <host:port>': the port is missing after ":""#),
            option(["--server", ":5432"], "the host is missing"),
            option(["--server", "::1:5432"], "an IPv6 address stands in brackets, such as [::1]:5432"),
            option(["--server", "postgresql://app@db:5432/shop"], tooManyWords),
            option(["--server", "host=db"], tooManyWords),
            option(["--server", "a:1,b:2"], "several hosts have one port, after the last host"),
            option(["--server", "db:99999"], #"[server] port = "99999" is not allowed; allowed: 1 to 65535"#),
            option(["--server", "a b"], #"option --server: [server] host = "a b" is not allowed"#),
            option(["--listen", "6432"], "expected HOST:PORT, not only a port"),
            option(["--log-level", "WARN"], "warning"),
            option(["--workers", "0"], "--workers"),
            option(["--timeout", "0"], "--timeout must be 1 to 3600"),
            option(["--bogus"], "--bogus"),
            variable("PGLEASH_SERVER_PORT", "x", "environment variable PGLEASH_SERVER_PORT: [server] port = \"x\""),
            variable("PGLEASH_SERVER_PORT", "tcp://10.0.0.1:5432", "enableServiceLinks: false"),
            variable("PGLEASH_SERVER_HOSTS", "db", exit: 0, "did you mean PGLEASH_SERVER_HOST?"),
        ]

        private func check(_ text: String, _ arguments: [String] = [], _ environment: [String: String] = [:]) throws
            -> (exit: Exit, output: String, error: String)
        {
            let file = try RunFolder.shared.newFile("wrong.conf", text + "\n")
            let run = try ChildProcess.run(
                Programs.pgleash, ["--config", file, "--check-config"] + arguments, environment: environment
            )
            return (run.exit, run.output, run.error.replacing(file, with: "FILE"))
        }

        @Test(arguments: hosts + values + warnings + monitor + options)
        func `is refused or warned about, and says what is wrong and where`(_ wrong: Case) throws {
            let run = try check(wrong.text, wrong.arguments, wrong.environment)
            #expect(run.exit == .code(wrong.exit))
            #expect(run.error.contains(wrong.message), "\(run.error)")
            #expect(run.output.isEmpty == (wrong.exit != 0))
        }

        /// A service file and the environment may have other hosts than [server], which the monitor does not use.
        @Test func `is not one of the monitor because of what libpq would do without it, and nobody is connected to`()
            throws
        {
            let listener = try FakeServer()
            let services = try RunFolder.shared.newFile(
                "services.conf",
                "[several]\nhost=db1,db2\nport=5432,5433\n[one]\nhostaddr=127.0.0.1\nport=\(listener.port)\n")
            let environments = [
                ["PGPORT": "5433,5434"], ["PGPORT": "x"], ["PGHOSTADDR": "127.0.0.1", "PGPORT": "\(listener.port)"],
                ["PGSERVICEFILE": services, "PGSERVICE": "several"], ["PGSERVICEFILE": services, "PGSERVICE": "one"],
            ]
            for environment in environments {
                let run = try check("[monitor]\nuser = m", [], environment)
                #expect(run.exit == .code(0), "\(environment): \(run.error)")
            }
            #expect(!listener.isCalled)
        }

        @Test(arguments: [
            "[server]\nhost = db-1.example.com, 10.0.0.1, ::1, [::1], /run/postgresql, my_db\n",
            "[listen]\nhost = fe80::1%lo\n", "\u{feff}[listen]\r\nport = 1\r\n", "[pgleash]\nlog_level = Info\n",
            "; a comment\n# another\n[server]\nsslsni = off\n",
        ])
        func `is none of these`(text: String) throws {
            let run = try check(text)
            #expect(run.exit == .code(0), "\(run.error)")
        }

        @Test(arguments: [
            (["--server", "db"], "db:5432"), (["--server", "[::1]"], "[::1]:5432"),
            (["--server", "/tmp"], "/tmp:5432"),
            (["--server", "a,b:5433"], "a:5433,b:5433"), ([], "file:1"),
        ])
        func `may leave the port out; options override variables, and these the file`(
            arguments: [String], server: String
        ) throws {
            let file = try RunFolder.shared.newFile(
                "order.conf", "[server]\nhost = file\nport = 1\n[pgleash]\nworkers = 1\n")
            let environment =
                arguments.isEmpty ? [:] : ["PGLEASH_SERVER_HOST": "variable", "PGLEASH_PGLEASH_WORKERS": "2"]
            let listen = "127.0.0.1:\(try freePort())"
            let pgleash = try ChildProcess(
                Programs.pgleash, ["--config", file, "--listen", listen] + arguments, environment: environment
            )
            try wait(for: "the start") { pgleash.errorOutput.contains(" started") }
            let started = pgleash.errorOutput.split(separator: "\n").first { $0.contains(" started") }
            let fields = Report.fields(String(started ?? ""))
            #expect(fields["server"] == server)
            #expect(fields["workers"] == (arguments.isEmpty ? "1" : "2"))
        }

        @Test(arguments: ["PGLEASH_PGLEASH_LOG_LEVEL", "PGLEASH_LOG_LEVEL"])
        func `may have the section [pgleash] left out of a variable`(name: String) throws {
            let run = try check("", [], [name: "loud"])
            #expect(run.exit == .code(78))
            #expect(run.error.contains("environment variable \(name): [pgleash] log_level = \"loud\" is not allowed"))
        }
    }
}
