// TLS settings that contradict each other, and files that cannot be used: pgleash does not start, and reports the
// reason.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When settings of TLS can't be used` {
        private let files = Certificates.shared

        /// The last message of a pgleash with these lines in a section, and the exit code for a wrong configuration;
        /// for a file that cannot be used, the one for a restart.
        private func lastWords(
            _ settings: [String], in section: String = "server", isConfigurationError: Bool = false
        ) throws -> String {
            let file = try RunFolder.shared.newFile("bad.conf", "[\(section)]\n" + settings.map { $0 + "\n" }.joined())
            // A ping needs nothing of [listen].
            let pings = section == "server" ? [["--ping"]] : []
            let runs = try ([[], ["--check-config"]] + pings).map {
                try ChildProcess.run(Programs.pgleash, ["--config", file] + $0, within: .seconds(10))
            }
            #expect(
                runs.map(\.exit) == [.code(isConfigurationError ? 78 : 1), .code(78)] + pings.map { _ in .code(78) })
            for run in runs {
                #expect(run.output == "")
                #expect(run.error == runs[0].error)
            }
            return runs[0].error.replacing("\(file):", with: "")
        }

        @Test func `what contradicts each other in [server] ends the start`() throws {
            let told = try lastWords(["sslmode = require", "sslrootcert = system"], isConfigurationError: true)
            let reason = "may not be used with sslrootcert=system (use \"verify-full\")"
            #expect(told == "pgleash: 3: [server] weak sslmode \"require\" \(reason)\n")
        }

        @Test func `a key that others can read is refused with PostgreSQL's text`() throws {
            let key = RunFolder.shared.newPath("open.key")
            try FileManager.default.copyItem(atPath: files.clientKey, toPath: key)
            let settings = ["sslcert = \(files.client)", "sslkey = \(key)"]
            unsafe chmod(key, 0o644)
            let errorMessage =
                "has group or world access; file must have permissions u=rw (0600) or less if owned by the current "
                + "user, or permissions u=rw,g=r (0640) or less if owned by root"
            #expect(
                try lastWords(settings) == "pgleash: 3: [server] sslkey: private key file \"\(key)\" \(errorMessage)\n")
            unsafe chmod(key, 0o600)
            let file = try RunFolder.shared.newFile("good.conf", "[server]\n" + settings.map { $0 + "\n" }.joined())
            #expect(try ChildProcess.run(Programs.pgleash, ["--config", file, "--check-config"]).exit == .code(0))
        }

        @Test func `a file that isn't there, isn't what it should be or doesn't fit is named`() throws {
            func words(_ settings: String...) throws -> String {
                try lastWords(["sslmode = verify-ca"] + settings).replacing("pgleash: ", with: "")
            }
            let (root, cert, key) = ("sslrootcert = \(files.authority)", "sslcert = \(files.client)", files.clientKey)
            let missing = "/no/such/file"
            #expect(try words("sslrootcert = \(missing)").contains("root certificate file \"\(missing)\""))
            #expect(try words("sslrootcert = \(key)").contains("root certificate file \"\(key)\""))
            #expect(try words(root, "sslcrl = \(missing)").contains("certificate revocation list \"\(missing)\""))
            #expect(try words(root, "sslcert = \(missing)", "sslkey = \(key)").contains("file \"\(missing)\""))
            #expect(
                try words(root, cert, "sslkey = \(missing)")
                    == "5: [server] sslkey: could not access private key file \"\(missing)\": "
                    + "No such file or directory\n"
            )
            #expect(try words(root, cert, "sslkey = \(files.serverKey)").contains("key"))
            #expect(try words(root, cert, "sslkey = /tmp").contains("\"/tmp\" is not a regular file"))
        }

        @Test func `what of [listen] can't be used is named with its line and key`() throws {
            let settings = ["sslmode = allow", "ssl_cert_file = \(files[.right])", "ssl_key_file = \(files.serverKey)"]
            let authorities = try lastWords(settings + ["ssl_ca_file = /no/such/file"], in: "listen")
            let reason = "could not load file of authorities \"/no/such/file\": No such file or directory"
            #expect(authorities == "pgleash: 5: [listen] ssl_ca_file: \(reason)\n")
            let ciphers = try lastWords(settings + ["ssl_ciphers = NONSENSE"], in: "listen", isConfigurationError: true)
            #expect(ciphers == "pgleash: 5: [listen] ssl_ciphers = \"NONSENSE\": no cipher match\n")
        }
    }
}
