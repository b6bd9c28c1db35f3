// Reading configuration files, in particular the errors of those that cannot be used.

import Logging
import Reactor
import Simulation
import Testing

@testable import Settings

private func parse(_ text: String) throws(ConfigurationError) -> Configuration {
    try Configuration(parsing: text, file: "test.conf")
}

private func message(_ text: String) -> String {
    do throws(ConfigurationError) {
        _ = try parse(text)
        return "no error"
    } catch {
        return "\(error)"
    }
}

@Suite struct `The configuration file` {
    @Test func `The smallest one, and nothing else changes`() throws {
        let configuration = try parse("[listen]\nhost = 127.0.0.1\nport = 6433\n[server]\nhost = db\nport = 5433\n")
        #expect(configuration.listen.port == 6433)
        #expect(configuration.server.hosts == ["db"])
        #expect(configuration.server.port == 5433)
        #expect(configuration.cancel.maxConcurrent == 16)
        #expect(configuration.listen.maxSessions == 10_000)
    }

    @Test func `Comments, blank lines, spaces and the carriage returns of another system don't matter`() throws {
        let configuration = try parse("# a\r\n\r\n  ; b\r\n[ listen ]\r\n\tport=1234 \r\n")
        #expect(configuration.listen.port == 1234)
    }

    @Test func `A server that is pgleash itself is noticed`() throws {
        #expect(try parse("[server]\nhost = other,127.0.0.1\nport = 6432\n").isLoop)
        #expect(try !parse("[server]\nhost = 127.0.0.1\nport = 6433\n").isLoop)
        #expect(try parse("[listen]\nhost = name.test\n[server]\nhost = name.test\nport = 6432\n").isLoop)
    }

    @Test(arguments: [
        ("*", "127.0.0.1"), ("*", "127.1.2.3"), ("0.0.0.0", "localhost"), ("127.0.0.1", "LOCALHOST"),
        ("localhost", "127.0.0.1"), ("*", "::1"), ("::", "[::1]"), ("127.0.0.1", "0.0.0.0"), ("::1", "::"),
        ("127.0.0.1", "::ffff:127.0.0.1"), ("*", "10.0.0.30, 127.0.0.1"),
        ("/tmp", "/tmp/"), ("/tmp", "/tmp/../tmp"), ("/nowhere", "/nowhere/"),
    ])
    func `However it is spelt, as long as no name server has to be asked`(listen: String, server: String) throws {
        let text = "[listen]\nhost = \(listen)\n[server]\nhost = \(server)\nport = "
        #expect(try parse(text + "6432").isLoop)
        #expect(try !parse(text + "6433").isLoop)
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "localhost"), ("0.0.0.0", "::1"), ("::", "127.0.0.1"),
        ("*", "192.0.2.1"), ("*", "2001:db8::1"), ("127.0.0.1", "name.test"), ("/tmp", "/var"), ("*", "/tmp"),
    ])
    func `Another address of this machine is another server`(listen: String, server: String) throws {
        #expect(try !parse("[listen]\nhost = \(listen)\n[server]\nhost = \(server)\nport = 6432\n").isLoop)
    }

    @Test func `Lists of hosts, and the star`() throws {
        let configuration = try parse("[listen]\nhost = *\n[server]\nhost = a, /run/postgresql ,[::1]\n")
        #expect(configuration.listen.endpoints.map { $0.map(\.host) } == [["0.0.0.0", "::"]])
        #expect(configuration.server.hosts == ["a", "/run/postgresql", "::1"])
        #expect(message("[server]\nhost = db:5432").hasSuffix("the port has a key of its own"))
    }

    @Test(arguments: [
        ("90", Duration.seconds(90)), ("90s", .seconds(90)), ("2 min", .seconds(120)),
        ("1500ms", .milliseconds(1500)),
        ("1h", .seconds(3600)),
    ]
    )
    func `Times have the units of postgresql.conf`(text: String, expected: Duration) throws {
        #expect(try parse("[cancel]\ntimeout = \(text)\n").cancel.timeout == expected)
    }

    @Test func `Keepalive has the names and units of postgresql.conf, for each side`() throws {
        let text = """
            [listen]
            tcp_keepalives_idle = 2min
            tcp_keepalives_interval = 7
            tcp_keepalives_count = 4
            tcp_user_timeout = 1500
            [server]
            tcp_user_timeout = 9s
            """
        let configuration = try parse(text)
        let set = Keepalive(idle: .seconds(120), interval: .seconds(7), count: 4, userTimeout: .milliseconds(1500))
        #expect(configuration.listen.keepalive == set)
        #expect(configuration.server.keepalive.userTimeout == .seconds(9))
        #expect(try parse("").listen.keepalive.timeout <= .seconds(60))
        #expect(
            message("[listen]\ntcp_keepalives_idle = 1500ms").hasSuffix("allowed: 0 to 32767s, whole seconds")
        )
    }

    @Test func `The excluded names, and the grace`() throws {
        let text = """
            [cancel]
            exclude_user = etl , vacuum
            exclude_database = archive
            exclude_application_name =
            grace = 300ms
            """
        let cancel = try parse(text).cancel
        #expect(cancel.exclusion.users == ["etl", "vacuum"])
        #expect(cancel.exclusion.databases == ["archive"])
        #expect(cancel.exclusion.applicationNames.isEmpty)
        #expect(cancel.grace == .milliseconds(300))
        #expect(
            message("[cancel]\nexclude_user = a,,b").hasSuffix("allowed: names separated by commas, without quotes"))
        #expect(
            message("[cancel]\ntimeout = 5s\ngrace = 5s\n")
                == "test.conf:3: [cancel] grace must be less than timeout (5.0 seconds)"
        )
    }

    @Test(arguments: [
        ("0", 0), ("512kB", 512 << 10), ("64 MB", 64 << 20), ("1GB", 1 << 30), ("1TB", 1 << 40), ("7B", 7),
    ]
    )
    func `Sizes have the units of postgresql.conf`(text: String, expected: Int) throws {
        #expect(try parse("[cancel]\nread_ahead = \(text)\n").cancel.readAhead == expected)
    }

    @Test(arguments: ["64", "64mb", "-1MB", "2TB", "999999999TB", "MB", ""])
    func `Other sizes are refused`(text: String) {
        #expect(
            message("[cancel]\nread_ahead = \(text)\n").hasSuffix("allowed: 0 to 1TB, with a unit: B, kB, MB, GB, TB"))
    }

    @Test(arguments: [
        ("[listen]\nport = 0", #"test.conf:2: [listen] port = "0" is not allowed; allowed: 1 to 65535"#),
        ("[listen]\nport = x", #"test.conf:2: [listen] port = "x" is not allowed; allowed: 1 to 65535"#),
        ("[listen]\nport =", #"test.conf:2: [listen] port = "" is not allowed; allowed: 1 to 65535"#),
        ("[cancel]\ntimeout = 0s", #"test.conf:2: [cancel] timeout = "0s" is not allowed; allowed: 1s to 1h"#),
        ("[cancel]\ntimeout = 9d", #"test.conf:2: [cancel] timeout = "9d" is not allowed; allowed: 1s to 1h"#),
        (
            "[cancel]\ntimeout = 99999999999999999999h",
            #"test.conf:2: [cancel] timeout = "99999999999999999999h" is not allowed; allowed: 1s to 1h"#
        ),
        ("[metrics]\nfile = x", #"test.conf:2: [metrics] file = "x" is not allowed; allowed: an absolute path"#),
        ("port = 1", "test.conf:1: key outside of a section; sections begin with a line such as [listen]"),
        ("[listen]\nport", #"test.conf:2: expected "key = value" or "[section]""#),
        ("[listen\n", #"test.conf:1: missing "]" in section header"#),
    ]
    )
    func `What is not allowed says where, what, and what would be`(text: String, expected: String) {
        #expect(message(text) == expected)
    }

    @Test func `An unknown key or section names the nearest known one`() {
        #expect(
            message("[listen]\n\nprot = 1").hasPrefix(
                #"test.conf:3: [listen] unknown key "prot"; did you mean "port"?"#))
        #expect(message("[lisen]").hasPrefix("test.conf:1: unknown section [lisen]; did you mean [listen]?"))
        #expect(message("[server]\nconect_timeout = 1").contains(#"did you mean "connect_timeout"?"#))
    }

    @Test(arguments: [
        ("listen", "ssl_cert", "ssl_cert_file"), ("listen", "ssl_key", "ssl_key_file"), ("listen", "hosts", "host"),
        ("listen", "server_port", "port"), ("listen", "ssl_mode", "sslmode"),
        ("server", "sslcertificate", "sslcert"),
        ("cancel", "atempt_timeout", "attempt_timeout"),
        ("pgleash", "log", "log_level"),
    ]
    )
    func `A key that begins with what is written, or ends with it, is nearer than one that just looks like it`(
        section: String, key: String, expected: String
    ) {
        let told = message("[\(section)]\n\(key) = 1")
        #expect(
            told.hasPrefix(
                "test.conf:2: [\(section)] unknown key \"\(key)\"; did you mean \"\(expected)\"? valid keys: "))
    }

    @Test(arguments: ["listen_addresses", "db", "x", ""])
    func `No key is suggested that is far from what is written`(key: String) {
        #expect(message("[server]\n\(key) = 1").hasPrefix("test.conf:2: [server] unknown key \"\(key)\"; valid keys: "))
    }

    private static let quoted = "values must not be quoted"
    private static let comment = "comments must be on their own line"
    private static let time = "a time is a whole number with us, ms, s, min, h or d"

    @Test(arguments: [
        ("[server]\nhost = 'db'", quoted), ("[listen]\nport = '1'", quoted), ("[server]\nhost = 'a', b", quoted),
        ("[metrics]\nfile = \"/a\"", quoted), ("[cancel]\nexclude_user = 'etl'", quoted),
        ("[cancel]\nexclude_user = a, 'etl'", quoted), ("[cancel]\nexclude_user = ''", quoted),
        ("[listen]\nssl_ciphers = 'HIGH:!aNULL'", quoted), ("[listen]\nport = 6432 # comment", comment),
        ("[listen]\nport = 6432\t#comment", comment), ("[listen]\nport = 6432 ; comment", comment),
        ("[server]\nhost = db # the first", comment), ("[server]\nhost = # none", comment),
        ("[metrics]\nfile = /a # '", comment), ("[cancel]\ntimeout = 30 seconds", time),
        ("[cancel]\ntimeout = 1.5h", time), ("[cancel]\ngrace = -1s", time), ("[cancel]\ntimeout =", time),
        ("[listen]\ntcp_user_timeout = 9 weeks", time), ("[server]\ntcp_keepalives_idle = 1m", time),
    ]
    )
    func `What postgresql.conf takes and this file doesn't is explained`(text: String, hint: String) {
        #expect(message(text).hasPrefix("test.conf:2: ") && message(text).hasSuffix("; \(hint)"), "\(message(text))")
    }

    @Test func `Marks of comments and quotes within words are part of them`() throws {
        let exclusion = try parse("[cancel]\nexclude_user = #a, o'hara\nexclude_database = b#c\n").cancel.exclusion
        #expect(exclusion.users == ["#a", "o'hara"] && exclusion.databases == ["b#c"])
    }

    @Test func `A file that isn't there or isn't text says so`() {
        #expect(throws: ConfigurationError.self) { try Configuration(file: "/nonexistent/pgleash.conf") }
        do throws(ConfigurationError) {
            _ = try Configuration(file: "/nonexistent/pgleash.conf")
        } catch {
            #expect(error.description == "/nonexistent/pgleash.conf: could not be read: no such file")
        }
    }

    @Test func `Every log level has its name`() throws {
        for level in Logger.Level.allCases {
            #expect(try parse("[pgleash]\nlog_level = \(level.rawValue)").logLevel == level)
        }
    }

    @Test(arguments: [("", "", 0), ("a", "", 1), ("prot", "port", 2), ("host", "hosts", 1)])
    func `Distances between words`(left: String, right: String, expected: Int) {
        #expect(editDistance(left, right) == expected)
    }
}
