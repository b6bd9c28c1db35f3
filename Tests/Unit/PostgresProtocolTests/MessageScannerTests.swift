// The scanner's reports, which must not depend on the pieces of the stream.

import PostgresProtocol
import TestSupport
import Testing

@Suite struct `The scanner of a stream that is cut anywhere` {
    struct Half: CustomTestStringConvertible, Sendable {
        let direction: MessageScanner.Direction
        let bytes: [UInt8]
        let notes: [Note]
        let count: UInt64

        var testDescription: String { "\(direction)" }

        /// The expected state after all bytes, written by hand.
        func matches(_ transcript: Transcript) -> Bool {
            transcript.notes == notes && transcript.messageCount == count && transcript.isAtBoundary
                && transcript.failure == nil
        }
    }

    static let halves = [
        Half(direction: .frontend, bytes: frontendConversation, notes: frontendNotes, count: frontendMessageCount),
        Half(direction: .backend, bytes: backendConversation, notes: backendNotes, count: backendMessageCount),
    ]

    @Test(arguments: halves) func `notes a conversation fed whole`(_ half: Half) {
        let whole = Transcript(half.direction, [half.bytes])
        #expect(whole.notes == half.notes)
        #expect(whole.messageCount == half.count)
        #expect(whole.isAtBoundary)
        #expect(whole.failure == nil)
    }

    @Test(arguments: halves) func `notes the same byte by byte`(_ half: Half) {
        #expect(half.matches(Transcript(half.direction, half.bytes.map { [$0] })))
    }

    @Test(arguments: halves) func `notes the same when cut at any one place`(_ half: Half) {
        for cut in 0...half.bytes.count {
            let pieces = [half.bytes[..<cut], [], half.bytes[cut...]]
            #expect(half.matches(Transcript(half.direction, pieces)), "cut at \(cut)")
        }
    }

    @Test(arguments: halves) func `notes the same in random pieces`(_ half: Half) {
        // Each run has its own seed; the message contains the one that failed.
        for seed in (0..<300).map({ _ in UInt64.random(in: 0 ... .max) }) {
            var generator = SeededGenerator(seed: seed)
            var pieces: [ArraySlice<UInt8>] = []
            var rest = half.bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 0...24, using: &generator))
                pieces.append(piece)
                rest = rest.dropFirst(piece.count)
            }
            #expect(half.matches(Transcript(half.direction, pieces)), "seed \(seed)")
        }
    }

    @Test(arguments: halves) func `is at a boundary after complete messages only`(_ half: Half) {
        var ends: Set = [0]
        var offset = 0
        while offset < half.bytes.count {
            let length = half.bytes[(offset + 1)..<(offset + 5)].reduce(0) { $0 << 8 | Int($1) }
            offset += 1 + length
            ends.insert(offset)
        }
        for count in 0...half.bytes.count {
            let atBoundary = Transcript(half.direction, [half.bytes[..<count]]).isAtBoundary
            #expect(atBoundary == ends.contains(count), "after \(count) bytes")
        }
    }

    @Test func `gives the status of ReadyForQuery`() {
        for status in "ITE" {
            let body = [status.asciiValue ?? 0]
            #expect(Transcript(.backend, [message("Z", body)]).notes == [Note("Z", body)])
        }
    }

    @Test func `gives the code of an authentication request and no more`() {
        let request = message("R", int32(11) + [1, 2, 3])
        for cut in 0...request.count {
            let transcript = Transcript(.backend, [request[..<cut], request[cut...]])
            #expect(transcript.notes == [Note("R", int32(11))], "cut at \(cut)")
            #expect(transcript.isAtBoundary)
        }
    }

    @Test func `notes a body that is shorter than what is wanted of it`() {
        #expect(Transcript(.backend, [message("Z")]).notes == [Note("Z")])
        #expect(Transcript(.backend, [message("R", [0, 0])]).notes == [Note("R", [0, 0])])
        #expect(Transcript(.backend, [message("K", [1])]).notes == [Note("K", [1])])
    }

    @Test func `gives the key data of every legal secret, also when it is cut`() {
        for secretLength in 4...256 {
            let body = int32(99) + (0..<secretLength).map { UInt8(truncatingIfNeeded: $0) }
            let bytes = message("K", body)
            for cut in [0, 1, 5, 6, 9, bytes.count / 2, bytes.count - 1] {
                let transcript = Transcript(.backend, [bytes[..<cut], bytes[cut...]])
                #expect(transcript.notes == [Note("K", body)], "\(secretLength) bytes, cut at \(cut)")
            }
        }
    }

    @Test func `never passes off the start of a longer key as the key`() {
        // The secret of 300 bytes is illegal; its first 256 would be a CancelRequest that cancels nothing.
        let notes = Transcript(.backend, [message("K", [UInt8](repeating: 7, count: 304))]).notes
        #expect(notes.count == 1)
        #expect(cancelKey(notes.first?.body ?? []) == nil)
    }

    @Test func `notes a message of the client when it is whole`() {
        let query = message("Q", Array(repeating: 0x61, count: 3000))
        for cut in [1, 5, 6, 1000, 2000, query.count - 1] {
            #expect(Transcript(.frontend, [query[..<cut]]).notes.isEmpty, "cut at \(cut)")
            let whole = Transcript(.frontend, [query[..<cut], query[cut...]])
            #expect(whole.notes == [Note("Q", Array(repeating: 0x61, count: 1024))], "cut at \(cut)")
        }
        #expect(Transcript(.frontend, [message("d", [1, 2])[..<6]]).notes.isEmpty)
    }

    @Test func `gives the beginning of a longer error as soon as it is there`() {
        let error = message("E", Array(repeating: 0x61, count: 3000))
        #expect(Transcript(.backend, [error[..<265]]).notes.isEmpty)
        #expect(Transcript(.backend, [error[..<266]]).notes == [Note("E", Array(repeating: 0x61, count: 256))])
    }

    @Test func `passes what it does not note`() {
        let frontendNoted = Set("BCDEFPQSXcdf".utf8)
        let backendNoted = Set("RK23CGHIENVWn1sZTV".utf8)
        for kind in UInt8.min...UInt8.max {
            let bytes = [kind] + int32(6) + [1, 2]
            for (direction, noted) in [(MessageScanner.Direction.frontend, frontendNoted), (.backend, backendNoted)] {
                let transcript = Transcript(direction, [bytes])
                #expect(transcript.notes.map(\.kind) == (noted.contains(kind) ? [kind] : []), "\(direction) \(kind)")
                #expect(transcript.messageCount == 1)
                #expect(transcript.isAtBoundary)
            }
        }
    }
}
