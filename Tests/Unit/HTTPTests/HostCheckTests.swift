// Tests of the check of the Host field.

import HTTP
import Testing

@Suite struct `A host in a request` {
    private let check = HostCheck(names: ["pgleash.example", "Status.Example."])

    @Test(arguments: [
        "127.0.0.1", "127.0.0.1:9188", "10.1.2.3:80", "[::1]", "[::1]:9188", "localhost", "LOCALHOST:9188",
        "localhost.", "pgleash.example", "pgleash.example:9188", "PGLEASH.example.", "status.example", "localhost:",
        "1.2.3.4.",
    ])
    func `is allowed`(_ host: String) { #expect(check.allows(host)) }

    @Test(arguments: [
        "", "evil.example", "evil.example:9188", "localhost.evil.example", "127.0.0.1.evil.example", "evil.localhost",
        "pgleash.example.evil", "1", "127.1", "0x7f000001", "2130706433", "[::1].evil.example", "[evil.example]:80",
        "localhost:9188.evil.example", "localhost@evil.example", "localhost evil.example", ":9188",
        "1.2.3.4.5", "..", "localhost:80:80",
    ])
    func `is refused`(_ host: String) { #expect(!check.allows(host)) }

    @Test func `need not be there`() { #expect(check.allows(nil)) }
}
