// The only edit of the relay: SCRAM-SHA-256-PLUS is removed, everything else stays, wherever the stream is split.

import PostgresProtocol
import TestSupport
import Testing

@Suite struct `Taking SCRAM-SHA-256-PLUS out` {
    private static let plus = "SCRAM-SHA-256-PLUS"
    private static let scram = "SCRAM-SHA-256"
    private static let longest = 2000

    /// An AuthenticationSASL.
    private static func offer(_ mechanisms: [String]) -> [UInt8] {
        message("R", int32(10) + mechanisms.flatMap { Array($0.utf8) + [0] } + [0])
    }

    /// The output for these pieces of input.
    private func edit(_ pieces: [[UInt8]]) -> [UInt8] {
        var removal = ChannelBindingRemoval()
        return pieces.flatMap { removal.edit($0.span) }
    }

    /// Checks that `bytes` become `expected`, split at any place, into single bytes, and followed by more.
    private func expect(
        _ bytes: [UInt8], becomes expected: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let behind = message("R", int32(0)) + Self.offer([Self.plus, Self.scram]) + [0x52, 0]
        for cut in 0...bytes.count {
            let pieces = [Array(bytes[..<cut]), Array(bytes[cut...])]
            #expect(edit(pieces) == expected, "cut at \(cut)", sourceLocation: sourceLocation)
            #expect(edit([pieces[0], pieces[1] + behind]) == expected + behind, sourceLocation: sourceLocation)
        }
        #expect(edit(bytes.map { [$0] }) == expected, sourceLocation: sourceLocation)
        #expect(edit((bytes + behind).map { [$0] }) == expected + behind, sourceLocation: sourceLocation)
    }

    @Test(arguments: [
        ([plus, scram], [scram]), ([scram, plus], [scram]), ([scram, plus, "OAUTHBEARER"], [scram, "OAUTHBEARER"]),
        ([plus, plus, scram, plus], [scram]), ([plus, "X"], ["X"]),
    ]) func `leaves the other mechanisms, in their order`(_ offered: [String], _ left: [String]) {
        expect(Self.offer(offered), becomes: Self.offer(left))
    }

    @Test(arguments: [
        [scram], [plus], [plus, plus], [], ["SCRAM-SHA-256-PLUSS", "XSCRAM-SHA-256-PLUS", "scram-sha-256-plus"],
    ]) func `changes nothing where it isn't offered, or is all there is`(_ offered: [String]) {
        expect(Self.offer(offered), becomes: Self.offer(offered))
    }

    @Test func `leaves a list alone that is none`() {
        for body in [[], [0], Array("SCRAM-SHA-256".utf8), [0, 0, 0]] as [[UInt8]] {
            let bytes = message("R", int32(10) + body)
            expect(bytes, becomes: bytes)
        }
    }

    @Test(arguments: [0, 2, 3, 5, 6, 7, 9, 11, 12, 1000] as [UInt32])
    func `leaves other kinds of authentication alone, and what follows them`(_ request: UInt32) {
        let bytes = message("R", int32(request) + Array("\(Self.plus)\0\(Self.scram)\0\0".utf8))
        expect(bytes, becomes: bytes)
    }

    @Test func `comes after the negotiation of the protocol version`() {
        let version = message("v", int32(0x0003_0000) + int32(1) + Array("_pq_.x\0".utf8))
        let offered = Self.offer([Self.plus, Self.scram])
        expect(version + offered, becomes: version + Self.offer([Self.scram]))
        expect(version + version + offered, becomes: version + version + Self.offer([Self.scram]))
        expect(version, becomes: version)
    }

    @Test func `ends with any other message, as with an error`() {
        let offered = Self.offer([Self.plus, Self.scram])
        for first in [message("E", "SFATAL\0C53300\0"), message("N", "x"), message("Z", [0x49]), [0, 0, 0, 0, 0]] {
            expect(first + offered, becomes: first + offered)
            var removal = ChannelBindingRemoval()
            #expect(removal.edit([first[0]].span) == [first[0]], "it is not waited for")
            #expect(removal.isDone)
        }
    }

    @Test func `ends with a message that is too long or too short`() {
        let name = Array("\(Self.plus)\0\(Self.scram)\0".utf8)
        for kind: Character in ["R", "v"] {
            for length in [0, 3, UInt32(Self.longest) + 1, 0x7fff_ffff, 0xffff_ffff] {
                let bytes = header(kind, length: length) + int32(10) + name
                expect(bytes, becomes: bytes)
            }
        }
        for length in 4..<UInt32(8) {
            let bytes = header("R", length: length) + int32(10) + name
            expect(bytes, becomes: bytes)
        }
    }

    @Test func `takes one that is just short enough`() {
        let padding = String(repeating: "X", count: Self.longest - 8 - Self.plus.utf8.count - 3)
        let offered = Self.offer([Self.plus, padding])
        #expect(offered.count == Self.longest + 1)
        expect(offered, becomes: Self.offer([padding]))
    }

    @Test func `holds one message at most, and nothing after it`() {
        var removal = ChannelBindingRemoval()
        let version = message("v", int32(0x0003_0000) + int32(0))
        var (input, output) = (0, 0)
        for piece in Array(repeating: version, count: 1000) + [header("R", length: 2000) + int32(10)] {
            for byte in piece {
                input += 1
                output += removal.edit([byte].span).count
                #expect(input - output <= Self.longest)
            }
        }
        #expect(!removal.isDone)
        for _ in 0..<1992 {
            input += 1
            output += removal.edit([0x41].span).count
        }
        #expect(removal.isDone && input == output)
        #expect(removal.edit([1, 2, 3].span) == [1, 2, 3])
    }
}
