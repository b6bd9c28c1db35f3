// Lengths at the limits, bodies as long as the protocol allows, and noise.

import PostgresProtocol
import TestSupport
import Testing

@Suite struct `The lengths a scanner meets` {
    @Test(arguments: [0, 1, 2, 3, 0x8000_0000, 0xffff_ffff] as [UInt32])
    func `that no message has are refused with type and length`(_ length: UInt32) {
        for direction in [MessageScanner.Direction.frontend, .backend] {
            let bytes = message("d", "fine") + header("Q", length: length) + [1, 2, 3]
            for cut in 0...bytes.count {
                let transcript = Transcript(direction, [bytes[..<cut], bytes[cut...]])
                #expect(transcript.failure?.kind == UInt8(ascii: "Q"), "cut at \(cut)")
                #expect(transcript.failure?.length == length, "cut at \(cut)")
                #expect(transcript.messageCount == 1, "cut at \(cut)")
            }
        }
    }

    @Test func `may be 4, which is an empty body`() {
        let transcript = Transcript(.frontend, [header("S", length: 4) + header("X", length: 4)])
        #expect(transcript.failure == nil)
        #expect(transcript.notes == [Note("S"), Note("X")])
        #expect(transcript.isAtBoundary)
    }

    @Test func `may be as long as a signed integer is`() {
        let transcript = Transcript(.backend, [header("D", length: UInt32(Int32.max))])
        #expect(transcript.failure == nil)
        #expect(transcript.messageCount == 1)
        #expect(!transcript.isAtBoundary)
    }

    @Test(arguments: ["D", "E", "K"] as [Character])
    func `of a gigabyte leave nothing behind`(_ kind: Character) throws {
        let bodyLength = 1 << 30
        let chunk = [UInt8](repeating: 0x5a, count: 1 << 20)
        var scanner = MessageScanner(.backend)
        var noted = 0
        let before = try residentBytes()
        try scanner.scan(header(kind, length: UInt32(bodyLength + 4)).span) { _, body in noted += body.count }
        for _ in 0..<(bodyLength / chunk.count) {
            #expect(!scanner.isAtBoundary)
            try scanner.scan(chunk.span) { _, body in noted += body.count }
        }
        #expect(scanner.isAtBoundary)
        #expect(scanner.messageCount == 1)
        // No more is reported of a message than the length of any cancel key.
        #expect(noted == 0 || noted == 261)
        // Other tests run in this process, too, so the bound is wide; a kept body would be eight times as much.
        #expect(try residentBytes() - before < 128 << 20)
        // The next messages are scanned correctly.
        var next: [UInt8] = []
        try scanner.scan(message("Z", [UInt8(ascii: "I")]).span) { _, body in next = body.copied() }
        #expect(next == [UInt8(ascii: "I")])
    }

    @Test func `out of noise never trap`() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        var (accepted, refused) = (0, 0)
        for round in 0..<100_000 {
            var bytes = generator.bytes(Int.random(in: 0...40, using: &generator))
            // Noise seldom has a legal length; half of the buffers begin with one.
            if round.isMultiple(of: 2), bytes.count >= 5 {
                bytes[1] = 0
                bytes[2] = 0
                bytes[3] = 0
            }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            let direction: MessageScanner.Direction = round % 4 < 2 ? .frontend : .backend
            let transcript = Transcript(direction, [bytes[..<cut], bytes[cut...]])
            if let failure = transcript.failure {
                refused += 1
                if (4...UInt32(Int32.max)).contains(failure.length) {
                    Issue.record("legal length \(failure.length) refused, seed \(seed), round \(round)")
                }
            } else {
                accepted += 1
            }
        }
        #expect(accepted > 1_000 && refused > 1_000, "seed \(seed): \(accepted) accepted, \(refused) refused")
    }

    /// The memory the process has in use, from the second number of /proc/self/statm.
    private func residentBytes() throws -> Int {
        let text = try #require(readText("/proc/self/statm"))
        let pages = try #require(text.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        return pages * 4_096
    }
}
