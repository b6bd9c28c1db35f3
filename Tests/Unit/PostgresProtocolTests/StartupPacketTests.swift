// The four possible first packets of a connection, and every way in which they can be invalid.

import PostgresProtocol
import TestSupport
import Testing

/// The result of `StartupPacket` for `bytes`: a value or the reason for the refusal.
func parse(_ bytes: [UInt8]) -> Result<StartupPacket, StartupPacket.Malformed> {
    do throws(StartupPacket.Malformed) {
        return .success(try StartupPacket(parsing: bytes.span))
    } catch {
        return .failure(error)
    }
}

/// The StartupMessage with these parameters, or nil when it is refused.
func startup(_ pairs: [(String, String)]) -> StartupMessage? {
    guard case .success(.startup(let message)) = parse(packet(code: version(3, 0), parameters(pairs))) else {
        return nil
    }
    return message
}

@Suite struct `The first packet of a connection` {
    static let sslRequest = version(1234, 5679)
    static let gssEncryptionRequest = version(1234, 5680)
    static let cancelRequest = version(1234, 5678)

    @Test(arguments: [0, 2, 9, 9_999] as [UInt32]) func `may ask for any protocol 3`(_ minor: UInt32) throws {
        let bytes = packet(code: version(3, minor), parameters([("user", "alice"), ("database", "shop")]))
        guard case .success(.startup(let message)) = parse(bytes) else {
            Issue.record("\(parse(bytes))")
            return
        }
        #expect(message.user == "alice")
        #expect(message.database == "shop")
        #expect(message.applicationName.isEmpty)
        #expect(!message.isReplication)
    }

    @Test(
        arguments: [(2, 0), (4, 0), (0, 0), (1, 0), (1234, 5677), (1234, 5681), (65_535, 65_535)] as [(UInt32, UInt32)])
    func `is refused in another protocol`(_ major: UInt32, _ minor: UInt32) {
        let refusal = StartupPacket.Malformed.unsupportedProtocol(major: UInt16(major), minor: UInt16(minor))
        #expect(parse(packet(code: version(major, minor), parameters([("user", "a")]))) == .failure(refusal))
        #expect(refusal.description.contains("\(major).\(minor)"))
        #expect(refusal.sqlState == .featureNotSupported)
    }

    @Test func `may ask for encryption`() {
        #expect(parse(packet(code: Self.sslRequest)) == .success(.sslRequest))
        #expect(parse(packet(code: Self.gssEncryptionRequest)) == .success(.gssEncryptionRequest))
    }

    @Test func `may be a CancelRequest with a secret of 4 to 256 bytes`() {
        for restLength in 0...300 {
            let bytes = packet(code: Self.cancelRequest, [UInt8](repeating: 0, count: restLength))
            guard (8...260).contains(restLength) else {
                #expect(parse(bytes) == .failure(.cancelRequestLength(bytes.count)))
                continue
            }
            guard case .success(.cancelRequest(let key)) = parse(bytes) else {
                Issue.record("a process ID and secret of \(restLength) bytes")
                continue
            }
            #expect(key.cancelRequest == bytes)
        }
        #expect(StartupPacket.Malformed.cancelRequestLength(15).sqlState == .protocolViolation)
    }

    @Test func `has 8 to 10004 bytes`() throws {
        for length in [0, 1, 4, 7, 10_005, 0x8000_0000, .max] as [UInt32] {
            #expect(throws: StartupPacket.Malformed.length(length)) {
                let field = int32(length)
                _ = try StartupPacket.length(from: field.span)
            }
            #expect(StartupPacket.Malformed.length(length).description.contains("\(length)"))
        }
        for length in [8, 9, 10_001, 10_004] as [UInt32] {
            let understood = try StartupPacket.length(from: int32(length).span)
            #expect(understood == Int(length))
        }
    }

    @Test func `cut anywhere gives an error and never a trap`() {
        let packets = [
            packet(
                code: version(3, 0), parameters([("user", "alice"), ("database", "shop"), ("replication", "true")])),
            packet(code: Self.cancelRequest, [UInt8](repeating: 9, count: 8)),
            packet(code: Self.sslRequest), packet(code: Self.gssEncryptionRequest),
        ]
        for whole in packets {
            guard case .success = parse(whole) else {
                Issue.record("the whole packet is refused: \(whole)")
                continue
            }
            for count in 0..<whole.count {
                guard case .failure(let reason) = parse(Array(whole[..<count])) else {
                    Issue.record("\(count) of \(whole.count) bytes are accepted")
                    continue
                }
                #expect(!reason.description.isEmpty)
            }
        }
    }

    @Test func `of noise never traps`() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        var understood = 0
        for round in 0..<50_000 {
            var bytes = generator.bytes(Int.random(in: 0...40, using: &generator))
            // A supported version, and zeros where they matter.
            if round.isMultiple(of: 2), bytes.count > 8 {
                bytes.replaceSubrange(4..<8, with: int32(version(3, 0)))
                for index in bytes.indices.dropFirst(8) where bytes[index] & 3 == 0 { bytes[index] = 0 }
            }
            // A user, a random name with a random value, and the end.
            if round.isMultiple(of: 8) {
                let noise = bytes.filter { $0 != 0 } + [1, 0]
                bytes = packet(code: version(3, 0), parameters([("user", "u")]).dropLast() + noise + noise + [0])
            }
            if case .success = parse(bytes) { understood += 1 }
        }
        #expect(understood > 5_000, "seed \(seed)")
    }
}
