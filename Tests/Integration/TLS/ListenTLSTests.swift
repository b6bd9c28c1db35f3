// TLS from the clients to pgleash: for which clients it is offered or required, and their certificate.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `With TLS for clients` {
        private static let files = Certificates.shared

        @Test(arguments: ["allow", "require"], ["disable", "prefer", "require", "verify-ca", "verify-full"])
        func `a client is served as it and pgleash want it`(_ mode: String, _ wanted: String) throws {
            let pgleash = try PgleashProcess(listening: mode)
            func connect() throws -> LibpqClient {
                try LibpqClient(port: pgleash.port, more: "sslmode=\(wanted) sslrootcert=\(Self.files.authority)")
            }
            if mode == "require", wanted == "disable" {
                let error = #expect(throws: LibpqError.self) { try connect() }
                #expect(error?.description.contains("FATAL:  SSL connection is required") == true)
                try pgleash.waitForReport("the refusal") { $0["sessions_ended_total", "ssl_required"] == 1 }
            } else {
                let client = try connect()
                #expect(client.isEncrypted == (wanted != "disable"))
                #expect(try client.query("SELECT 1") == [["1"]])
            }
            pgleash.stop()
        }

        @Test func `without a certificate a client's SSLRequest is refused`() throws {
            let pgleash = try PgleashProcess()
            #expect(try !LibpqClient(port: pgleash.port, more: "sslmode=prefer").isEncrypted)
            let error = #expect(throws: LibpqError.self) {
                try LibpqClient(port: pgleash.port, more: "sslmode=require")
            }
            #expect(error?.description.contains("server does not support SSL, but SSL was required") == true)
            pgleash.stop()
        }

        @Test func `the refusal of clear text has PostgreSQL's code, and cancels are taken all the same`() throws {
            let pgleash = try PgleashProcess(listening: "require")
            let plain = try RawClient(port: pgleash.port)
            try plain.send(Frontend.startup(name: "plain"))
            let error = try plain.readMessage()
            #expect(error.field("S") == "FATAL")
            #expect(error.field("C") == "28000")
            #expect(try plain.readToEnd() == [])
            let client = try pgleash.connectEncrypted("application_name=cancels")
            try client.send("SELECT pg_sleep(60)")
            try PrivatePostgres.shared.waitForActive("cancels", event: "PgSleep")
            // libpq before 17 sends it in clear text.
            #expect(client.requestCancel())
            #expect(try client.results().map(\.sqlState) == ["57014"])
            pgleash.stop()
        }

        @Test func `a Unix socket has no TLS, and needs none`() throws {
            let folder = RunFolder.shared.newFolder("socket")
            let pgleash = try PgleashProcess(listening: "require", ["host = \(folder)", "port = PORT"], at: nil)
            let target = "host=\(folder) port=\(pgleash.port) user=postgres dbname=postgres"
            let client = try LibpqClient("\(target) sslmode=prefer")
            #expect(!client.isEncrypted)
            #expect(try client.query("SELECT 1") == [["1"]])
            pgleash.stop()
        }

        @Test func `clients need a certificate where their authorities are named`() throws {
            let pgleash = try PgleashProcess(listening: "require", ["ssl_ca_file = \(Self.files.authority)"])
            let identity = "sslcert=\(Self.files.client) sslkey=\(Self.files.clientKey)"
            #expect(try pgleash.connectEncrypted(identity).query("SELECT 1") == [["1"]])
            let nobody = "sslcert=/nonexistent"
            #expect(throws: LibpqError.self) { try pgleash.connectEncrypted(nobody).query("SELECT 1") }
            let other = "sslcert=\(Self.files[.unknownAuthority]) sslkey=\(Self.files.serverKey)"
            #expect(throws: LibpqError.self) { try pgleash.connectEncrypted(other).query("SELECT 1") }
            let report = try pgleash.waitForReport("two failures") { $0["sessions_ended_total", "ssl_failed"] == 2 }
            #expect(report["sessions_active"] == 0)
            let reasons = try pgleash.waitForLogLines("could not accept SSL connection", count: 2)
            #expect(reasons.contains { $0.contains("peer did not return a certificate") })
            #expect(reasons.contains { $0.contains("unable to get local issuer certificate") })
            pgleash.stop()
        }

        @Test func `SIGHUP reads the certificate again, and one that can't be used leaves the old one in place`() throws
        {
            let file = RunFolder.shared.newFolder("reload") + "/server.crt"
            func put(_ certificate: String) throws {
                try Data(contentsOf: URL(filePath: certificate)).write(to: URL(filePath: file))
            }
            try put(Self.files[.wrongName])
            let lines = ["sslmode = require", "ssl_cert_file = \(file)", "ssl_key_file = \(Self.files.serverKey)"]
            let pgleash = try PgleashProcess(configuration: ["listen": lines])
            func reload(_ outcome: String) throws {
                pgleash.process.send(SIGHUP)
                try wait(for: "SIGHUP") { pgleash.logLines(outcome).count == 1 }
            }
            #expect(throws: LibpqError.self) { try pgleash.connectEncrypted() }
            let before = try LibpqClient(port: pgleash.port, more: "sslmode=require")
            try put(Self.files[.right])
            try reload("certificates reloaded")
            #expect(try pgleash.connectEncrypted().query("SELECT 1") == [["1"]])
            try put(Self.files.authority)
            #expect(try pgleash.report()["reload_failures_total"] == 0)
            try reload("reload failed, keeping the previous certificates")
            #expect(try pgleash.report()["reload_failures_total"] == 1)
            let line = try pgleash.waitForLogLines("reload failed, keeping the previous certificates").first
            #expect(line?.contains(Self.files.serverKey) == true)
            #expect(line?.contains("section=listen") == true)
            #expect(line?.contains("[listen] ssl_key_file: ") == true)
            #expect(try pgleash.connectEncrypted().query("SELECT 1") == [["1"]])
            #expect(pgleash.logLines("has expired").isEmpty)
            try put(Self.files[.expired])
            try reload("the certificate has expired")
            #expect(try before.query("SELECT 1") == [["1"]])
            pgleash.stop()
        }

        @Test func `--ping goes through TLS where it is demanded`() throws {
            let pgleash = try PgleashProcess(listening: "require")
            // The user of the check need not have permission to read the key.
            let known = "sslmode = require\nssl_cert_file = \(Self.files[.right])\nssl_key_file = /nonexistent\n"
            let file = try RunFolder.shared.newFile("ping.conf", "[listen]\n\(known)")
            let server = PrivatePostgres.shared.address
            let ping = try ChildProcess(
                Programs.pgleash, ["--config", file, "--listen", pgleash.address, "--server", server, "--ping"]
            )
            #expect(try ping.wait() == .code(0))
            #expect(pgleash.logLines("SSL connection is required").isEmpty)
            pgleash.stop()
        }

        @Test func `what doesn't fit together ends pgleash with 78`() throws {
            let key = try RunFolder.shared.newFile("open.key", try #require(readText(Self.files.serverKey)))
            unsafe chmod(key, 0o644)
            let wrong: [([String], String)] = [
                (["sslmode = require"], "[listen] sslmode = require needs ssl_cert_file and ssl_key_file"),
                (
                    ["sslmode = allow", "ssl_cert_file = \(Self.files[.right])", "ssl_key_file = \(key)"],
                    "wrong.conf:4: [listen] ssl_key_file: private key file \"\(key)\" has group or world access"
                ),
                (
                    ["sslmode = allow", "ssl_cert_file = /nonexistent", "ssl_key_file = \(Self.files.serverKey)"],
                    "wrong.conf:3: [listen] ssl_cert_file: could not load certificate file \"/nonexistent\": "
                        + "No such file or directory"
                ),
                (
                    [
                        "sslmode = allow", "ssl_cert_file = \(Self.files[.right])",
                        "ssl_key_file = \(Self.files.clientKey)",
                    ], "key values mismatch"
                ),
            ]
            for (lines, message) in wrong {
                let file = try RunFolder.shared.newFile("wrong.conf", "[listen]\n" + lines.joined(separator: "\n"))
                let run = try ChildProcess.run(Programs.pgleash, ["--config", file, "--check-config"])
                #expect(run.exit == .code(78))
                #expect(run.error.contains(message), "\(run.error)")
                #expect(!run.error.contains("PRIVATE KEY"))
            }
        }
    }
}
