// The text form of addresses, and the addresses of a configured host.

import Reactor
import Testing

@Suite struct `An address` {
    @Test func `reads as one is used to`() {
        let addresses: [(SocketAddress, String)] = [
            (.ipv4(0x7f00_0001, port: 5_432), "127.0.0.1:5432"),
            (.ipv4(0, port: 0), "0.0.0.0:0"),
            (.ipv4(.max, port: .max), "255.255.255.255:65535"),
            (.ipv6(high: 0, low: 1, port: 5_432, scope: 0), "[::1]:5432"),
            (.ipv6(high: 0x2001_0db8_0000_0000, low: 0xff, port: 1, scope: 0), "[2001:db8::ff]:1"),
            (.ipv6(high: 0, low: 0xffff_c000_0201, port: 1, scope: 0), "[::ffff:192.0.2.1]:1"),
            (.ipv6(high: 0xfe80_0000_0000_0000, low: 1, port: 1, scope: 4_000_000), "[fe80::1%4000000]:1"),
            (.unix(path: "/run/postgresql/.s.PGSQL.5432"), "/run/postgresql/.s.PGSQL.5432"),
            (.unix(path: ""), "local"),
        ]
        for (address, text) in addresses {
            #expect(address.description == text)
            #expect(address.isUnix == (text == "local" || text.hasPrefix("/")))
        }
    }

    @Test func `in a socket directory has libpq's name`() {
        #expect(SocketAddress(socketDirectory: "/run/pg", port: 5_432) == .unix(path: "/run/pg/.s.PGSQL.5432"))
        #expect(SocketAddress(socketDirectory: "/run/pg/", port: 5_432) == .unix(path: "/run/pg/.s.PGSQL.5432"))
        #expect(SocketAddress(socketDirectory: "/", port: 1) == .unix(path: "/.s.PGSQL.1"))
    }

    @Test func `in a socket directory may have 107 bytes`() {
        let name = "/.s.PGSQL.5432".utf8.count
        for length in 100...110 {
            let directory = "/" + String(repeating: "d", count: length - name - 1)
            let address = SocketAddress(socketDirectory: directory, port: 5_432)
            #expect((address != nil) == (length <= 107), "\(length) bytes")
        }
        // The limit is in bytes, not in characters.
        #expect(SocketAddress(socketDirectory: "/" + String(repeating: "ü", count: 60), port: 1) == nil)
    }
}

@Suite struct `The host of an endpoint` {
    private func numeric(_ host: String) -> [SocketAddress]? {
        Endpoint(host: host, port: 5_432).numericAddresses()
    }

    @Test func `in figures needs no look-up`() {
        #expect(numeric("127.0.0.1") == [.ipv4(0x7f00_0001, port: 5_432)])
        #expect(numeric("0.0.0.0") == [.ipv4(0, port: 5_432)])
        #expect(numeric("::1") == [.ipv6(high: 0, low: 1, port: 5_432, scope: 0)])
        #expect(numeric("::") == [.ipv6(high: 0, low: 0, port: 5_432, scope: 0)])
        #expect(numeric("fe80::1%1") == [.ipv6(high: 0xfe80_0000_0000_0000, low: 1, port: 5_432, scope: 1)])
        #expect(Endpoint(host: "10.0.0.255", port: 0).numericAddresses() == [.ipv4(0x0a00_00ff, port: 0)])
        #expect(Endpoint(host: "10.0.0.255", port: .max).numericAddresses() == [.ipv4(0x0a00_00ff, port: .max)])
    }

    @Test(arguments: ["localhost", "", "db.example.com", "127.0.0.256", "::g", "[::1]"])
    func `as a name has no address without a look-up`(_ host: String) {
        #expect(numeric(host) == nil)
    }

    @Test func `that begins with a slash is a socket directory`() throws {
        let endpoint = Endpoint(host: "/run/pg", port: 5_433)
        #expect(endpoint.isSocketDirectory)
        #expect(endpoint.numericAddresses() == [.unix(path: "/run/pg/.s.PGSQL.5433")])
        #expect(try endpoint.resolve() == [.unix(path: "/run/pg/.s.PGSQL.5433")])
        #expect(!Endpoint(host: "run/pg", port: 1).isSocketDirectory)
    }

    @Test func `is looked up when it is a name`() throws {
        let addresses = try Endpoint(host: "localhost", port: 5_432).resolve()
        #expect(addresses.contains(.ipv4(0x7f00_0001, port: 5_432)) || addresses.description.contains("[::1]"))
    }

    @Test func `that is none is refused with libpq's text`() {
        let tooLong = "/" + String(repeating: "d", count: 200)
        let directory = #expect(throws: ResolutionError.self) { try Endpoint(host: tooLong, port: 1).resolve() }
        #expect(directory?.reason == "socket path longer than 107 bytes")
        // No name has a part of more than 63 bytes, so no name server is asked.
        let name = String(repeating: "n", count: 64) + ".invalid"
        let failure = #expect(throws: ResolutionError.self) { try Endpoint(host: name, port: 1).resolve() }
        #expect(failure?.host == name)
        #expect(failure?.description.hasPrefix("could not translate host name \"\(name)\" to address: ") == true)
    }
}
