// The address of the HTTP endpoints, and the names that requests may be for.

import Reactor
import Testing

@testable import Settings

@Suite struct `The setting [http] listen` {
    private func parse(_ value: String) throws -> Configuration {
        try Configuration(parsing: "[http]\nlisten = \(value)", file: "test.conf")
    }

    @Test(arguments: [
        ("127.0.0.1:9188", HTTPAddress.endpoint(Endpoint(host: "127.0.0.1", port: 9188))),
        ("[::1]:80", .endpoint(Endpoint(host: "::1", port: 80))),
        ("localhost:65535", .endpoint(Endpoint(host: "localhost", port: 65_535))),
        ("pgleash.example:1", .endpoint(Endpoint(host: "pgleash.example", port: 1))),
        ("/run/pgleash/http.sock", .unix(path: "/run/pgleash/http.sock")),
    ])
    func `is an address with a port, or a path`(value: String, address: HTTPAddress) throws {
        let listen = try parse(value).http.listen
        #expect(listen == address && listen?.description == value)
    }

    @Test(arguments: [
        ("127.0.0.1", "a port is missing, such as 127.0.0.1:9188"),
        ("9188", "a port is missing, such as 127.0.0.1:9188"),
        ("127.0.0.1:0", "the port is a number from 1 to 65535"),
        ("127.0.0.1:x", "the port is a number from 1 to 65535"),
        ("127.0.0.1:65536", "the port is a number from 1 to 65535"), (":9188", "a host is missing"),
        ("*:9188", "write 0.0.0.0 or [::] for all addresses of the machine"),
        ("::1:9188", "an IPv6 address stands in brackets, such as [::1]:9188"),
        ("http://localhost:9188", "write HOST:PORT, without http://"),
        ("1.2.3.4.5:9188", #""1.2.3.4.5" is not an IP address"#),
        ("/" + String(repeating: "x", count: 107), "the path of a socket has at most 107 bytes"),
    ])
    func `is refused with the reason`(value: String, reason: String) {
        let error = #expect(throws: ConfigurationError.self) { try parse(value) }
        #expect(error.map { "\($0)".hasSuffix("; \(reason)") } == true, "\(String(describing: error))")
    }

    @Test func `is none by default`() { #expect(Configuration().http.listen == nil) }

    @Test(arguments: [
        ("127.0.0.1:1", false), ("[::1]:1", false), ("localhost:1", false), ("/a", false), ("0.0.0.0:1", true),
        ("[::]:1", true), ("10.0.0.1:1", true), ("pgleash.invalid:1", true),
    ])
    func `is a warning where other machines can connect`(value: String, isWarning: Bool) throws {
        let reason = "other machines can read the names of users and databases, and the addresses of clients"
        let expected = isWarning ? ["test.conf:2: [http] listen: \(reason)"] : []
        #expect(try parse(value).warnings.map(\.description) == expected)
    }

    @Test func `has a name that requests may be for, if it is one`() throws {
        #expect(try parse("pgleash.example:1").http.listen?.hostName == "pgleash.example")
        #expect(try parse("127.0.0.1:1").http.listen?.hostName == nil)
        #expect(try parse("/a").http.listen?.hostName == nil)
    }

    @Test func `can be accompanied by names`() throws {
        let text = "[http]\nallowed_hosts = a.example, B"
        #expect(try Configuration(parsing: text, file: "test.conf").http.allowedHosts == ["a.example", "B"])
        for bad in ["a:1", "", "a,,b", "http://a", "/a"] {
            #expect(throws: ConfigurationError.self) {
                try Configuration(parsing: "[http]\nallowed_hosts = \(bad)", file: "test.conf")
            }
        }
    }
}

@Suite struct `The settings in force` {
    @Test func `have value, origin and effect`() throws {
        let text = "[server]\nsslrootcert = /a\n[cancel]\nexclude_user = b, a"
        let settings = try Configuration(parsing: text, file: "test.conf").effectiveSettings
        #expect(settings.count == Setting.all.count)
        func setting(_ key: String) throws -> EffectiveSetting { try #require(settings.first { $0.key == key }) }
        #expect(try setting("sslrootcert").value == "/a" && setting("sslrootcert").isReread)
        #expect(try setting("sslrootcert").origin == .line(file: "test.conf", 2))
        #expect(try setting("exclude_user").value == "a,b" && !setting("exclude_user").isReread)
        #expect(try setting("max_sessions").value == "10000" && setting("max_sessions").origin == nil)
        #expect(try setting("sslcert").value == nil)
    }

    @Test func `hide a password`() throws {
        func password(_ text: String) throws -> String? {
            let settings = try Configuration(parsing: "[monitor]\nuser = a\n\(text)", file: "test.conf")
                .effectiveSettings
            #expect(settings.allSatisfy { $0.value?.contains("geheim") != true })
            return try #require(settings.first { $0.key == "password" }).value
        }
        #expect(try password("password = geheim") == "***")
        #expect(try password("") == nil)
    }
}
