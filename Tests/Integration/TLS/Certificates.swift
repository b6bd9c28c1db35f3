// Certificates for servers and clients, made by the openssl command once a run: one as it should be, and one for each
// way not to be. Who shows them is up to the tests.

import Foundation
import Testing

/// An authority that is believed, one that is not, and what they certify. The keys are readable by us alone.
struct Certificates: Sendable {
    /// A server's certificate by what is to be said about it.
    enum Server: String, CaseIterable, CustomTestStringConvertible, Sendable {
        /// For `localhost` and 127.0.0.1.
        case right
        case expired
        case wrongName = "wrong name"
        case unknownAuthority = "unknown authority"
        case revoked

        var testDescription: String { rawValue }
        /// Of the file: in the tests' folder, and in the data folder of a server that shows them.
        var fileName: String { rawValue.replacing(" ", with: "-") + ".crt" }
        fileprivate var names: String { self == .wrongName ? "DNS:elsewhere.test" : "DNS:localhost,IP:127.0.0.1" }
        fileprivate var days: Int { self == .expired ? -1 : Certificates.days }
        fileprivate var serialNumber: Int { self == .revoked ? Certificates.revokedNumber : 1 }
    }

    /// Made when they are first asked for.
    static let shared: Certificates = {
        do { return try Certificates() } catch { fatalError("certificates could not be made: \(error)") }
    }()

    private let folder = RunFolder.shared.newFolder("certificates")
    private static let days = 30
    private static let revokedNumber = 11

    /// The authority that is believed.
    var authority: String { "\(folder)/authority.crt" }
    /// What it has revoked.
    var revocationList: String { "\(folder)/authority.crl" }
    /// Of all servers' certificates.
    var serverKey: String { "\(folder)/server.key" }
    /// For the user `postgres`, from the authority that is believed.
    var client: String { "\(folder)/client.crt" }
    var clientKey: String { "\(folder)/client.key" }

    subscript(_ server: Server) -> String { "\(folder)/\(server.fileName)" }

    private init() throws {
        for name in ["authority", "stranger"] {
            try makeKey(name)
            try openssl(
                "req", "-x509", "-key", "\(name).key", "-subj", "/CN=\(name) of the tests", "-days", "\(Self.days)",
                "-out", "\(name).crt"
            )
        }
        try makeKey("server")
        for server in Server.allCases {
            try certify(
                "/CN=server", key: "server", by: server == .unknownAuthority ? "stranger" : "authority",
                ["-addext", "subjectAltName=\(server.names)"], server.serialNumber, days: server.days, server.fileName
            )
        }
        try makeKey("client")
        try certify("/CN=postgres", key: "client", by: "authority", [], 2, days: Self.days, "client.crt")
        try listRevocations()
    }

    private func makeKey(_ name: String) throws {
        try openssl("ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", "\(name).key")
        chmod("\(folder)/\(name).key", 0o600)
    }

    private func certify(
        _ subject: String, key: String, by authority: String, _ extensions: [String], _ number: Int, days: Int,
        _ file: String
    ) throws {
        try openssl(["req", "-new", "-key", "\(key).key", "-subj", subject, "-out", "request.csr"] + extensions)
        try openssl(
            "x509", "-req", "-in", "request.csr", "-CA", "\(authority).crt", "-CAkey", "\(authority).key",
            "-set_serial", "\(number)", "-days", "\(days)", "-copy_extensions", "copy", "-out", file
        )
    }

    /// As `openssl ca` would, with the one line of its database that matters written by hand.
    private func listRevocations() throws {
        let number = String(format: "%02X", Self.revokedNumber)
        let database = "R\t491231235959Z\t200101000000Z\t\(number)\tunknown\t/CN=server\n"
        try database.write(toFile: "\(folder)/database", atomically: false, encoding: .utf8)
        let settings = "[ca]\ndefault_ca = tests\n[tests]\ndatabase = \(folder)/database\ndefault_md = sha256\n"
        try settings.write(toFile: "\(folder)/ca.conf", atomically: false, encoding: .utf8)
        try openssl(
            "ca", "-gencrl", "-config", "ca.conf", "-keyfile", "authority.key", "-cert", "authority.crt",
            "-crldays", "\(Self.days)", "-out", "authority.crl"
        )
    }

    private func openssl(_ words: String...) throws { try openssl(words) }

    private func openssl(_ words: [String]) throws {
        let isFile = /.*\.(key|crt|crl|csr|conf)/
        let arguments = words.map { $0.wholeMatch(of: isFile) == nil ? $0 : "\(folder)/\($0)" }
        let run = try ChildProcess.run(Programs.debian("openssl"), arguments)
        guard run.exit == .code(0) else { throw TimedOut(description: "openssl \(arguments): \(run.error)") }
    }
}
