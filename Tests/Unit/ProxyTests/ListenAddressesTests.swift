// The addresses to listen on, each of them once, whichever hosts resolve to it.

import Reactor
import Testing

@testable import Proxy

private let loopback = SocketAddress.ipv4(0x7f00_0001, port: 6432)
private let loopback6 = SocketAddress.ipv6(high: 0, low: 1, port: 6432, scope: 0)
private let wildcard = SocketAddress.ipv4(0, port: 6432)
private let wildcard6 = SocketAddress.ipv6(high: 0, low: 0, port: 6432, scope: 0)
private let other = SocketAddress.ipv4(0x0a00_0001, port: 6432)
private let unix = SocketAddress.unix(path: "/run/.s.PGSQL.6432")

@Suite struct `The addresses that are listened on` {
    @Test(
        arguments: [
            ([[loopback]], [[loopback]]),
            ([[loopback, loopback6], [other], [unix]], [[loopback, loopback6], [other], [unix]]),
            ([[loopback], [loopback]], [[loopback], []]),
            ([[loopback6, loopback], [loopback]], [[loopback6, loopback], []]),
            ([[loopback], [loopback6, loopback]], [[loopback], [loopback6]]),
            ([[wildcard, wildcard6], [loopback], [loopback6]], [[wildcard, wildcard6], [], []]),
            ([[loopback], [wildcard, wildcard6]], [[], [wildcard, wildcard6]]),
            ([[wildcard], [loopback6, other]], [[wildcard], [loopback6]]),
            ([[wildcard], [wildcard6], [wildcard, wildcard6]], [[wildcard], [wildcard6], []]),
            ([[unix], [unix], [wildcard]], [[unix], [], [wildcard]]),
        ] as [([[SocketAddress]], [[SocketAddress]])]
    )
    func `Each once, and none that a wildcard of its family covers`(
        hosts: [[SocketAddress]], expected: [[SocketAddress]]
    ) {
        let listening = ListenAddresses(hosts)
        #expect(listening.hosts.map(\.addresses) == expected)
        let dropped = zip(hosts, expected).map { $0.count - $1.count }
        #expect(listening.hosts.map(\.isCovered) == dropped.map { $0 > 0 })
        #expect(listening.redundant.count == dropped.reduce(0, +))
    }

    @Test func `Each that is dropped is named, with the one that gets its clients`() {
        let listening = ListenAddresses([[loopback], [wildcard, wildcard6], [loopback]])
        #expect(
            listening.redundant == [
                .init(address: loopback, covering: wildcard), .init(address: loopback, covering: wildcard),
            ]
        )
    }

    @Test func `Another port is another address`() {
        #expect(!wildcard.covers(.ipv4(0x7f00_0001, port: 6433)))
        #expect(!wildcard.covers(loopback6) && !wildcard6.covers(loopback) && !wildcard.covers(unix))
        #expect(!loopback.covers(wildcard) && wildcard.covers(loopback) && wildcard6.covers(loopback6))
    }
}
