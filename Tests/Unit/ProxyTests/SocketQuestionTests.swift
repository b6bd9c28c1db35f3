// The query to the kernel about a peer's socket, and its valid and invalid answers. The tests are in this target
// because seeded bugs are tested here.

import Glibc
import Testing

@testable import Reactor

@Suite struct `A question about a socket` {
    private static let client = SocketAddress.ipv4(0x7f00_0001, port: 0x1234)
    private static let own = SocketAddress.ipv4(0x0a01_0203, port: 6432)
    private static let question = SocketQuestion(about: client, to: own, number: 7)

    @Test func `Is packed as the kernel wants it, for IPv4`() throws {
        let question = try #require(Self.question)
        let addresses: [UInt8] =
            [0x12, 0x34, 0x19, 0x20, 127, 0, 0, 1] + [UInt8](repeating: 0, count: 12)
            + [10, 1, 2, 3] + [UInt8](repeating: 0, count: 12)
        let expected = header(length: 72, kind: 20, number: 7, flags: 1) + [2, 6, 0, 0, 255, 255, 255, 255] + addresses
        #expect(question.bytes == expected + native(0) + [UInt8](repeating: 255, count: 8))
    }

    @Test func `The same for IPv6, with the interface of a link's address`() throws {
        let client = SocketAddress.ipv6(high: 0xfe80 << 48, low: 0x1_0203, port: 1, scope: 3)
        let own = SocketAddress.ipv6(high: 0xfe80 << 48, low: 9, port: 2, scope: 3)
        let question = try #require(SocketQuestion(about: client, to: own, number: 1))
        #expect(question.bytes[16...] == Answer(client, own, family: 10).request(scope: 3)[...])
        let link: [UInt8] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0]
        #expect(question.bytes[28..<44] == (link + [0, 0, 0, 0, 0, 1, 2, 3])[...])
    }

    @Test func `Mapped addresses are those of IPv4`() throws {
        let mapped = try #require(SocketQuestion(about: Self.client.mapped, to: Self.own.mapped, number: 7))
        #expect(mapped.bytes == Self.question?.bytes)
        let answer = Answer(Self.client, Self.own, family: 2).bytes
        #expect(mapped.report(in: answer) == SocketReport(state: 1, inode: 99))
    }

    @Test func `There is none about a Unix socket`() {
        #expect(SocketQuestion(about: .unix(path: ""), to: Self.own, number: 1) == nil)
        #expect(SocketQuestion(about: Self.own, to: .unix(path: "/s"), number: 1) == nil)
    }

    @Test func `Its answer is read, whichever family the client's socket has`() throws {
        let question = try #require(Self.question)
        let right = SocketReport(state: 1, inode: 99)
        #expect(question.report(in: Answer(Self.client, Self.own, family: 2).bytes) == right)
        #expect(question.report(in: Answer(Self.client.mapped, Self.own.mapped, family: 10).bytes) == right)
        let inode = Answer(Self.client, Self.own, family: 2, state: 4, inode: 0xffff_ffff)
        #expect(question.report(in: inode.bytes) == SocketReport(state: 4, inode: .max))
        // More may follow: optional attributes.
        let long = Answer(Self.client, Self.own, family: 2, extra: 40)
        #expect(question.report(in: long.bytes) == right)
    }

    @Test func `What is about another socket, or another question, is no answer`() throws {
        let question = try #require(Self.question)
        let others: [SocketAddress] = [
            .ipv4(0x7f00_0002, port: 0x1234), .ipv4(0x7f00_0001, port: 0x1235), .ipv4(0, port: 0),
            .ipv6(high: 0, low: 0x7f00_0001, port: 0x1234, scope: 0),
            .ipv6(high: 1, low: 0xffff_7f00_0001, port: 0x1234, scope: 0),
        ]
        for other in others {
            let family: UInt8 = if case .ipv4 = other { 2 } else { 10 }
            let (client, own) = family == 2 ? (Self.client, Self.own) : (Self.client.mapped, Self.own.mapped)
            #expect(question.report(in: Answer(other, own, family: family).bytes) == nil, "\(other)")
            #expect(question.report(in: Answer(client, other, family: family).bytes) == nil, "\(other)")
        }
        #expect(question.report(in: Answer(Self.own, Self.client, family: 2).bytes) == nil, "the wrong end")
        #expect(question.report(in: Answer(Self.client, Self.own, family: 2, number: 6).bytes) == nil)
        #expect(question.report(in: Answer(Self.client, Self.own, family: 1).bytes) == nil)
    }

    @Test func `An error, the end of a list and a message cut short are none`() throws {
        let question = try #require(Self.question)
        let right = Answer(Self.client, Self.own, family: 2)
        for kind in [0, 1, 2, 3, 19, 21] as [UInt16] {
            #expect(question.report(in: header(length: 88, kind: kind, number: 7) + right.bytes[16...]) == nil)
        }
        // NLMSG_ERROR: -ENOENT, and the query.
        let error = header(length: 108, kind: 2, number: 7) + native(UInt32(bitPattern: -ENOENT)) + question.bytes
        #expect(question.report(in: error) == nil)
        for count in 0..<right.bytes.count { #expect(question.report(in: right.bytes.prefix(count)) == nil) }
        for length in [0, 15, 16, 87, 89, UInt32.max] as [UInt32] {
            #expect(question.report(in: header(length: length, kind: 20, number: 7) + right.bytes[16...]) == nil)
        }
    }

    @Test func `Nothing that comes in its place traps`() throws {
        let question = try #require(Self.question)
        let right = Answer(Self.client, Self.own, family: 2, extra: 24).bytes
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var bytes = right
            for _ in 0..<Int.random(in: 1...4) {
                bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255, using: &generator)
            }
            _ = question.report(in: bytes.prefix(Int.random(in: 0...bytes.count)))?.hasEnded
            _ = question.report(in: (0..<Int.random(in: 0...200)).map { _ in UInt8.random(in: 0...255) })
        }
    }

    @Test func `A socket has ended when no process owns it, or when its stream has ended`() {
        func hasEnded(_ state: UInt8, _ inode: UInt32) -> Bool { SocketReport(state: state, inode: inode).hasEnded }
        #expect(!hasEnded(SocketReport.State.established, 1))
        #expect(hasEnded(SocketReport.State.established, 0))
        // pgleash's end has ended its stream; the client may continue to read.
        #expect(!hasEnded(SocketReport.State.closeWait, 1))
        #expect(hasEnded(SocketReport.State.closeWait, 0))
        // FIN_WAIT1, FIN_WAIT2, TIME_WAIT, LAST_ACK, CLOSING: without a process, or with one that has ended one half
        // only.
        for state in [4, 5, 6, 9, 11] as [UInt8] { #expect(hasEnded(state, 0) && hasEnded(state, 1), "\(state)") }
        // SYN_SENT, SYN_RECV, CLOSE, LISTEN, NEW_SYN_RECV and unknown states.
        for state in [0, 2, 3, 7, 10, 12, 13, 255] as [UInt8] { #expect(!hasEnded(state, 0), "\(state)") }
    }
}

private func native(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

/// On a little-endian machine, as the test machines are.
private func header(length: UInt32, kind: UInt16, number: UInt32, flags: UInt16 = 0) -> [UInt8] {
    native(length) + native(UInt32(kind) | UInt32(flags) << 16) + native(number) + native(0)
}

/// A report of the kernel.
private struct Answer {
    let source: SocketAddress
    let destination: SocketAddress
    let family: UInt8
    let state: UInt8
    let inode: UInt32
    let number: UInt32
    let extra: Int

    init(
        _ source: SocketAddress, _ destination: SocketAddress, family: UInt8, state: UInt8 = 1, inode: UInt32 = 99,
        number: UInt32 = 7, extra: Int = 0
    ) {
        (self.source, self.destination, self.family, self.state) = (source, destination, family, state)
        (self.inode, self.number, self.extra) = (inode, number, extra)
    }

    var bytes: [UInt8] {
        header(length: UInt32(88 + extra), kind: 20, number: number) + [family, state, 0, 0] + identity(scope: 0)
            + [UInt8](repeating: 7, count: 16) + native(inode) + [UInt8](repeating: 1, count: extra)
    }

    /// The `inet_diag_req_v2` of the report.
    func request(scope: UInt32) -> [UInt8] {
        [family, 6, 0, 0, 255, 255, 255, 255] + identity(scope: scope).dropLast(8)
            + [UInt8](repeating: 255, count: 8)
    }

    private func identity(scope: UInt32) -> [UInt8] {
        [source, destination].flatMap { [UInt8(($0.port ?? 0) >> 8), UInt8(($0.port ?? 0) & 255)] }
            + bytes(of: source) + bytes(of: destination) + native(scope) + [1, 2, 3, 4, 5, 6, 7, 8]
    }

    private func bytes(of address: SocketAddress) -> [UInt8] {
        func bytes(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - $0 * 8)) } }
        return switch address {
        case .ipv4(let address, _): bytes(UInt64(address) << 32) + bytes(0)
        case .ipv6(let high, let low, _, _): bytes(high) + bytes(low)
        case .unix: []
        }
    }
}

extension SocketAddress {
    fileprivate var mapped: SocketAddress {
        if case .ipv4(let address, let port) = self {
            .ipv6(high: 0, low: 0xffff_0000_0000 | UInt64(address), port: port, scope: 0)
        } else {
            self
        }
    }
}

@Suite struct `A kernel that knows nothing` {
    /// A connection of this process with itself.
    private static func withConnection(_ body: (_ client: SocketAddress, _ own: SocketAddress) -> Void) throws {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let (listener, client) = (socket(AF_INET, type, 0), socket(AF_INET, type, 0))
        defer { [listener, client].forEach { close($0) } }
        let loopback = SocketAddress.ipv4(0x7f00_0001, port: 0)
        try #require(
            unsafe loopback.withSystemAddress { unsafe bind(listener, $0, $1) } == 0 && listen(listener, 1) == 0)
        let own = try #require(unsafe SocketAddress { unsafe getsockname(listener, $0, $1) })
        try #require(unsafe own.withSystemAddress { unsafe connect(client, $0, $1) } == 0)
        let accepted = accept(listener, nil, nil)
        defer { close(accepted) }
        body(try #require(unsafe SocketAddress { unsafe getsockname(client, $0, $1) }), own)
    }

    @Test func `Not even our own end is asked no more`() throws {
        let nowhere = SocketAddress.ipv4(0x7f00_0001, port: 1)
        try Self.withConnection { client, own in
            let diagnosis = SocketDiagnosis()
            for _ in 0..<3 { #expect(diagnosis.report(of: nowhere, connectedTo: nowhere) == nil) }
            #expect(diagnosis.report(of: client, connectedTo: own) == nil)
        }
    }

    @Test func `Once it has known one, it is asked about any number of others`() throws {
        let nowhere = SocketAddress.ipv4(0x7f00_0001, port: 1)
        try Self.withConnection { client, own in
            let diagnosis = SocketDiagnosis()
            for _ in 0..<2 { #expect(diagnosis.report(of: nowhere, connectedTo: nowhere) == nil) }
            #expect(diagnosis.report(of: client, connectedTo: own)?.hasEnded == false)
            for _ in 0..<10 { #expect(diagnosis.report(of: nowhere, connectedTo: nowhere) == nil) }
            #expect(diagnosis.report(of: client, connectedTo: own)?.hasEnded == false)
        }
    }
}
