// A PostgreSQL with TLS: its certificates, and its authentication methods.

import Foundation
import TestSupport
import Testing

extension PrivatePostgres {
    /// Uses one of the tests' certificates, the valid one at first, and logs each connection and CancelRequest. The
    /// user's name selects the authentication method, or the database `template1`, which requires a certificate.
    static let encrypting = untilTestsEnd {
        let certificates = Certificates.shared
        let files = Certificates.Server.allCases.map { ($0.fileName, certificates[$0]) }
        let postgres = try PrivatePostgres(
            settings: ["ssl=on", "ssl_ca_file=root.crt", "log_connections=on", "log_min_messages=debug2"],
            files: files + [
                ("server.crt", certificates[.right]), ("server.key", certificates.serverKey),
                ("root.crt", certificates.authority), ("pg_hba.conf", try accessRules()),
            ]
        )
        try postgres.makeUsers()
        return postgres
    }

    /// The password of all users that need one.
    static let password = "a secret of the tests"

    private static func accessRules() throws -> String {
        let rules = [
            "local all all trust", "hostssl template1 postgres samehost cert", "host template1 all samehost reject",
            "hostssl all encrypted samehost trust", "host all encrypted samehost reject",
            "host all asked samehost password", "host all hashed samehost md5",
            "host all scrambled samehost scram-sha-256", "host all all samehost trust",
        ]
        return try RunFolder.shared.newFile("pg_hba.conf", rules.joined(separator: "\n") + "\n")
    }

    private func makeUsers() throws {
        try query("CREATE USER encrypted; CREATE USER asked PASSWORD '\(Self.password)'")
        try query("CREATE USER scrambled PASSWORD '\(Self.password)'")
        try query("SET password_encryption = md5; CREATE USER hashed PASSWORD '\(Self.password)'; RESET ALL")
    }

    /// Uses another certificate while `body` runs.
    func whileShowing<Result>(_ certificate: Certificates.Server, _ body: () throws -> Result) throws -> Result {
        try set("ssl_cert_file", to: certificate.fileName)
        defer { try? set("ssl_cert_file", to: "server.crt") }
        return try body()
    }

    /// Changes a setting for new connections.
    func set(_ name: String, to value: String) throws {
        try query("ALTER SYSTEM SET \(name) = '\(value)'")
        try query("SELECT pg_reload_conf()")
        // A new backend has the settings of the postmaster.
        try wait(for: "\(name) = \(value)") {
            try LibpqClient(port: port, name: "observer").query("SHOW \(name)") == [[value]]
        }
    }
}
