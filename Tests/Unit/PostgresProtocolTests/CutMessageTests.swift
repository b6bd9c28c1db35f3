// The message within which a stream ended, and the rest of a CopyData.

import PostgresProtocol
import TestSupport
import Testing

@Suite struct `A stream that ends within a message` {
    private static let lines = Frontend.copyData("one\n") + Frontend.copyData("a second line\n")

    @Test(arguments: 1..<lines.count) func `Copy data is completed wherever it ends, without the end of a line`(
        count: Int
    ) throws {
        var scanner = MessageScanner(.frontend)
        try scanner.scan(Array(Self.lines[..<count]).span) { _, _ in }
        guard !scanner.isAtBoundary else {
            #expect(scanner.cutMessage == nil)
            return
        }
        let rest = try #require(scanner.cutMessage?.restOfCopyData)
        #expect(!rest.contains(UInt8(ascii: "\n")) && !rest.contains(UInt8(ascii: "\r")))
        var kinds: [UInt8] = []
        try scanner.scan((rest + Frontend.query("SELECT 1")).span) { kind, _ in kinds.append(kind) }
        #expect(kinds.last == FrontendKind.query && scanner.isAtBoundary, "the next message begins after the rest")
    }

    @Test func `No more than 128 KiB is sent in the client's place`() throws {
        for (missing, isCompleted) in [(128 << 10, true), (128 << 10 + 1, false), (Int(Int32.max) - 4, false)] {
            var scanner = MessageScanner(.frontend)
            try scanner.scan(([FrontendKind.copyData] + bigEndian(UInt32(missing + 4))).span) { _, _ in }
            #expect((scanner.cutMessage?.restOfCopyData?.count == missing) == isCompleted)
        }
        var split = MessageScanner(.frontend)
        try split.scan([FrontendKind.copyData, 0xff].span) { _, _ in }
        #expect(split.cutMessage != nil && split.cutMessage?.restOfCopyData == nil)
    }

    @Test func `Other messages are not completed`() throws {
        for kind in [FrontendKind.query, FrontendKind.bind, UInt8(ascii: "p")] {
            for count in 1..<7 {
                var scanner = MessageScanner(.frontend)
                let bytes = Self.lines + [kind, 0, 0, 0, 9, 1, 2]
                try scanner.scan(Array(bytes[..<(Self.lines.count + count)]).span) { _, _ in }
                #expect(scanner.cutMessage != nil && scanner.cutMessage?.restOfCopyData == nil)
            }
        }
        var scanner = MessageScanner(.frontend)
        try scanner.scan([FrontendKind.copyData, 0, 0, 0, 5, 1].span) { _, _ in }
        scanner.expectPrelude(8)
        #expect(scanner.cutMessage?.restOfCopyData == nil, "a startup packet has no type")
        #expect(CutMessage.unknown.restOfCopyData == nil)
    }

    private func bigEndian(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }
}
