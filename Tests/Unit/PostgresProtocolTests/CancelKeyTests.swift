// A cancel key goes back to the server as it came and shows its secret nowhere else.

import PostgresProtocol
import TestSupport
import Testing

/// The key in the body of a BackendKeyData message.
func cancelKey(_ body: [UInt8]) -> CancelKey? {
    CancelKey(backendKeyData: body.span)
}

@Suite struct `A cancel key` {
    private func key(_ processID: UInt32, _ secret: [UInt8]) -> CancelKey? {
        cancelKey(int32(processID) + secret)
    }

    @Test func `goes back in a CancelRequest as it came`() throws {
        for secretLength in 4...256 {
            let secret = (0..<secretLength).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let key = try #require(self.key(0xfedc_ba98, secret))
            #expect(key.processID == 0xfedc_ba98)
            let expected = packet(code: version(1234, 5678), int32(0xfedc_ba98) + secret)
            #expect(key.cancelRequest == expected)
            #expect(parse(key.cancelRequest) == .success(.cancelRequest(key)))
            let length = try StartupPacket.length(from: key.cancelRequest.span)
            #expect(length == key.cancelRequest.count)
        }
    }

    @Test func `has a secret of 4 to 256 bytes`() {
        for length in [0, 1, 3, 4, 7, 261, 264, 1_000] {
            #expect(cancelKey([UInt8](repeating: 1, count: length)) == nil, "\(length) bytes")
        }
        for length in [8, 260] {
            #expect(cancelKey([UInt8](repeating: 1, count: length)) != nil, "\(length) bytes")
        }
    }

    @Test func `is another one with another process or secret`() throws {
        let one = try #require(key(1, [1, 2, 3, 4]))
        #expect(one == key(1, [1, 2, 3, 4]))
        #expect(one != key(2, [1, 2, 3, 4]))
        #expect(one != key(1, [1, 2, 3, 5]))
        #expect(one != key(1, [1, 2, 3, 4, 0]))
    }

    @Test func `shows its secret in no description`() throws {
        let key = try #require(self.key(77, [171, 205, 239, 254]))
        var dumped = ""
        dump(key, to: &dumped)
        var dumpedInside = ""
        dump([Optional(key)], to: &dumpedInside)
        let descriptions = [
            "\(key)", String(reflecting: key), "\([key])", "\(String(describing: Optional(key)))", dumped, dumpedInside,
            "\(Mirror(reflecting: key).children.map { "\($0)" })",
        ]
        for description in descriptions {
            #expect(description.contains("77"), "\(description)")
            for part in ["171", "205", "239", "254", "abcd", "secret"] {
                #expect(!description.lowercased().contains(part), "\(description)")
            }
        }
    }
}
