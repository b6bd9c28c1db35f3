// The labels of metrics by login.

import Testing

@testable import Settings

@Suite struct `The setting [metrics] labels` {
    private func parse(_ value: String) throws -> Configuration {
        try Configuration(parsing: "[metrics]\nlabels = \(value)", file: "test.conf")
    }

    @Test(
        arguments: [
            ("user", [Configuration.LoginLabel.user]), ("database", [.database]),
            ("database , user", [.user, .database]),
        ] as [(String, Set<Configuration.LoginLabel>)])
    func `is one label or several`(value: String, labels: Set<Configuration.LoginLabel>) throws {
        #expect(try parse(value).metricLabels == labels)
    }

    @Test(arguments: [
        ("users", #"did you mean "user"?"#), ("user,databse", #"did you mean "database"?"#),
        ("user database", "allowed: user, database, or several of them, separated by commas"),
        ("user,", "allowed: user, database, or several of them, separated by commas"),
        ("application_name", "allowed: user, database, or several of them, separated by commas"),
    ])
    func `is refused with the reason`(value: String, reason: String) {
        let error = #expect(throws: ConfigurationError.self) { try parse(value) }
        #expect(error.map { "\($0)".contains(reason) } == true, "\(String(describing: error))")
    }

    @Test func `is none by default`() { #expect(Configuration().metricLabels.isEmpty) }
}
