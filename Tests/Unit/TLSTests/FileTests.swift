// Files that cannot be used: each error is one line that names the file and does not contain its contents.

import Foundation
import Glibc
import TLS
import Testing

@Suite struct `A certificate or key that can't be used` {
    struct Case: CustomTestStringConvertible, Sendable {
        let certificate: String
        let key: String
        /// The file and the text of the error.
        let named: String
        let reason: String

        var testDescription: String { "\(certificate), \(key)" }
    }

    private static let passphrase = "is encrypted, and pgleash asks for no passphrase"

    static let cases = [
        Case(certificate: "none.crt", key: "right.key", named: "none.crt", reason: "No such file or directory"),
        Case(certificate: "right.crt", key: "none.key", named: "none.key", reason: "No such file or directory"),
        Case(certificate: "empty.crt", key: "right.key", named: "empty.crt", reason: ""),
        Case(certificate: "garbage.crt", key: "right.key", named: "garbage.crt", reason: ""),
        Case(certificate: "right.crt", key: "garbage.key", named: "garbage.key", reason: ""),
        Case(certificate: "right.crt", key: "locked.key", named: "locked.key", reason: passphrase),
        Case(certificate: "right.crt", key: "locked8.key", named: "locked8.key", reason: passphrase),
        Case(certificate: "right.crt", key: "client.key", named: "client.key", reason: "key values mismatch"),
        Case(certificate: "right.crt", key: ".", named: "/.", reason: "not a regular file"),
        Case(certificate: ".", key: "right.key", named: "/.", reason: ""),
    ]

    @Test(arguments: cases) func `is an error of one line that names it, on either side`(_ what: Case) throws {
        let server = refusal { _ = try TLSServer(options(what)) }
        let client = refusal {
            var options = TLSClientOptions()
            (options.certificate, options.key) = (try path(what.certificate), try path(what.key))
            _ = try TLSClient(options)
        }
        for text in [server, client] {
            #expect(text.contains(try path("")) && text.contains(what.named))
            #expect(what.reason.isEmpty || text.contains(what.reason))
            #expect(!text.contains("\n") && !text.contains("xyzzy") && !text.contains("SSL error code"))
        }
    }

    private func options(_ what: Case) throws -> TLSServerOptions {
        TLSServerOptions(certificate: try path(what.certificate), key: try path(what.key))
    }

    @Test(arguments: ["none.crt", "garbage.crt", "empty.crt", "."])
    func `names authorities and lists that can't be read`(_ name: String) throws {
        let texts = [
            refusal { _ = try makeClient { $0.authorities = .file(try path(name)) } },
            refusal { _ = try makeClient { $0.revocationList = try path(name) } },
            refusal { _ = try makeServer { $0.clientAuthorities = try path(name) } },
        ]
        for text in texts {
            #expect(text.contains("\"\(try path(name))\": ") && !text.contains("\n") && !text.contains("code"))
        }
    }

    /// As root the tests change the owner of the file.
    @Test(
        arguments: [
            (0o600, true, true), (0o400, true, true), (0o640, false, true), (0o660, false, false),
            (0o604, false, false),
            (0o644, false, false), (0o610, false, false), (0o601, false, false),
        ] as [(mode_t, Bool, Bool)])
    func `is a key that others can read`(_ mode: mode_t, _ isTaken: Bool, _ isTakenOfRoot: Bool) throws {
        let copy = try path("copy-\(String(mode, radix: 8)).key")
        try FileManager.default.copyItem(atPath: path("right.key"), toPath: copy)
        defer { unsafe unlink(copy) }
        unsafe chmod(copy, mode)
        let certificate = try path("right.crt")
        let load = { _ = try TLSServer(TLSServerOptions(certificate: certificate, key: copy)) }
        let reason = "private key file \"\(copy)\" has group or world access"
        let own = refusal(load)
        let isRoot = geteuid() == 0
        #expect((isRoot ? isTakenOfRoot : isTaken) ? own == "" : own.hasPrefix(reason))
        guard isRoot else { return }
        unsafe chown(copy, 65_534, 65_534)
        let others = refusal(load)
        #expect(isTaken ? others == "" : others.hasPrefix(reason))
    }

    @Test func `is distinguished from the others by the error`() throws {
        func part(_ body: () throws -> Void) -> TLSError.Part? {
            do { try body() } catch { return (error as? TLSError)?.part }
            return nil
        }
        let (certificate, key, none) = (try path("right.crt"), try path("right.key"), try path("none"))
        func load(_ certificate: String, _ key: String) -> TLSError.Part? {
            part { _ = try TLSServer(TLSServerOptions(certificate: certificate, key: key)) }
        }
        #expect(load(certificate, key) == nil)
        #expect(load(none, key) == .certificate)
        for bad in [none, try path("locked.key"), try path("client.key"), try path("garbage.key"), try path(".")] {
            #expect(load(certificate, bad) == .key)
        }
        #expect(part { _ = try makeServer { $0.ciphers = "NONSENSE" } } == .ciphers)
        #expect(part { _ = try makeServer { $0.clientAuthorities = none } } == .authorities)
        #expect(part { _ = try makeClient { $0.authorities = .file(none) } } == .authorities)
        #expect(part { _ = try makeClient { $0.revocationList = none } } == .revocationList)
    }

    @Test func `of the server's is not libpq's root certificate`() throws {
        let none = try path("none.crt")
        let told = refusal { _ = try makeServer { $0.clientAuthorities = none } }
        #expect(told == "could not load file of authorities \"\(none)\": No such file or directory")
    }

    @Test func `is not one that has expired, but that is known`() throws {
        func hasExpired(_ name: String) throws -> Bool {
            let options = TLSServerOptions(certificate: try path("\(name).crt"), key: try path("\(name).key"))
            return try TLSServer(options).hasExpired
        }
        #expect(try hasExpired("expired"))
        #expect(try !hasExpired("right"))
    }

    @Test func `is a list of ciphers without any`() {
        #expect(refusal { _ = try makeServer { $0.ciphers = "NONSENSE" } } == "no cipher match")
    }
}

/// The reason why `body` failed; empty where it did not.
private func refusal(_ body: () throws -> Void) -> String {
    do {
        try body()
        return ""
    } catch { return "\(error)" }
}
