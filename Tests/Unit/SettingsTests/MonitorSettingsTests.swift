// The settings of the monitor: what goes to libpq, what is told about them, and what is not.

import Testing

@testable import Settings

@Suite struct `The settings of the monitor` {
    private func configuration(_ text: String) throws(ConfigurationError) -> Configuration {
        try Configuration(parsing: text, file: "c")
    }

    @Test func `are libpq's keywords, and off without a user`() throws {
        let configuration = try configuration("[monitor]\nuser = leash\npassfile = /p\nsslmode = require\n")
        #expect(configuration.monitor.isOn)
        #expect(
            configuration.monitor.keywords == [
                "user": "leash", "passfile": "/p", "sslmode": "require", "dbname": "postgres", "gssencmode": "disable",
            ]
        )
        #expect(!Configuration().monitor.isOn)
    }

    @Test func `have a password that no message shows`() throws {
        let error = #expect(throws: ConfigurationError.self) {
            try configuration("[monitor]\nuser = leash\npassword = secret # mine\n")
        }
        let message = error.map { "\($0)" } ?? ""
        #expect(message.contains("[monitor] password = \"***\"") && !message.contains("secret"))
        #expect(message.contains("comments must be on their own line"))
    }

    @Test func `cause warnings where they have no effect`() throws {
        let alone = try configuration("[cancel]\nterminate_after = 1s\n[monitor]\npassfile = /p\n")
        #expect(
            alone.warnings.map { "\($0)" } == [
                "c:2: [cancel] terminate_after: not used: [monitor] user is not set",
                "c:4: [monitor] passfile: not used: [monitor] user is not set",
            ]
        )
        let local = try configuration("[server]\nhost = /run/postgresql\n[monitor]\nuser = leash\n")
        #expect(
            local.warnings.map { "\($0)" } == [
                "c:4: [monitor] user: not used: all addresses of the server are Unix sockets"
            ]
        )
    }

    @Test(
        arguments: [
            ("passfile = /no/such/file", "c:3: [monitor] passfile: there is no such file"),
            ("sslkey = /no/such/file", "c:3: [monitor] sslkey: there is no such file"),
            ("sslkey = engine:key", nil), ("sslcert = /", "c:3: [monitor] sslcert: it is not a regular file"),
            (
                "passfile = /etc/passwd",
                "c:3: [monitor] passfile: libpq ignores it, as others may read it; its mode must be 0600"
            ),
            ("passfile = /etc/passwd\npassword = p", nil), ("sslcert = /etc/passwd", nil),
        ] as [(String, String?)])
    func `cause warnings about files that libpq ignores`(line: String, warning: String?) throws {
        let configuration = try configuration("[monitor]\nuser = leash\n\(line)\n")
        #expect(configuration.warnings.map { "\($0)" } == (warning.map { [$0] } ?? []))
    }

    @Test func `are named where libpq refuses them, as far as its words show which`() throws {
        let configuration = try configuration("[monitor]\nuser = leash\nsslmode = off\n")
        let named = configuration.monitorError("invalid sslmode value: \"off\"")
        #expect(named == "c:3: [monitor] sslmode: invalid sslmode value: \"off\"")
        #expect(configuration.monitorError("invalid gssencmode value") == "[monitor]: invalid gssencmode value")
    }

    @Test(arguments: ["30s", "1min"]) func `have a terminate_after below the timeout`(time: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try configuration("[cancel]\nterminate_after = \(time)\n")
        }
        #expect(error.map { "\($0)" } == "c:2: [cancel] terminate_after must be less than timeout (30.0 seconds)")
    }
}
