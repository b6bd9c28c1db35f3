// The bytes of pgleash's own messages, as a client reads them.

import PostgresProtocol
import TestSupport
import Testing

@Suite struct `A fatal error` {
    @Test func `goes out as ErrorResponse, byte by byte`() {
        let fields: [UInt8] = Array("SFATAL\u{0}VFATAL\u{0}C53300\u{0}Msorry, too many clients\u{0}\u{0}".utf8)
        let expected: [UInt8] = [0x45, 0, 0, 0, UInt8(fields.count + 4)] + fields
        #expect(FatalError(.tooManyConnections, "sorry, too many clients").bytes == expected)
    }

    @Test func `has a detail where there is one`() {
        let bytes = FatalError(.tooManyConnections, "full", detail: "of clients").bytes
        let fields: [UInt8] = Array("SFATAL\u{0}VFATAL\u{0}C53300\u{0}Mfull\u{0}Dof clients\u{0}\u{0}".utf8)
        #expect(bytes == [0x45, 0, 0, 0, UInt8(fields.count + 4)] + fields)
    }

    @Test func `keeps its text in one field, whatever is in it`() {
        let bytes = FatalError(.cannotConnectNow, "zero \u{0}byte, ümlaut").bytes
        let fields: [UInt8] = Array("SFATAL\u{0}VFATAL\u{0}C57P03\u{0}Mzero byte, ümlaut\u{0}\u{0}".utf8)
        #expect(bytes == [0x45, 0, 0, 0, UInt8(fields.count + 4)] + fields)
    }

    @Test func `has the length of a long text`() {
        let bytes = FatalError(.adminShutdown, String(repeating: "x", count: 70_000)).bytes
        #expect(Array(bytes[1..<5]) == int32(UInt32(bytes.count - 1)))
        let transcript = Transcript(.backend, [bytes])
        #expect(transcript.notes.map(\.kind) == [0x45])
        #expect(transcript.isAtBoundary)
    }

    @Test func `has PostgreSQL's code for each reason`() {
        #expect(SQLState.protocolViolation.rawValue == "08P01")
        #expect(SQLState.featureNotSupported.rawValue == "0A000")
        #expect(SQLState.invalidAuthorizationSpecification.rawValue == "28000")
        #expect(SQLState.tooManyConnections.rawValue == "53300")
        #expect(SQLState.adminShutdown.rawValue == "57P01")
        #expect(SQLState.cannotConnectNow.rawValue == "57P03")
    }

    @Test func `is not what refuses encryption`() {
        #expect(encryptionRefused == [0x4e])
    }
}

@Suite struct `Integers in network byte order` {
    private func read(_ bytes: [UInt8], _ offset: Int) -> UInt32? {
        bytes.span.bigEndianUInt32(at: offset)
    }

    @Test func `are read where four bytes are`() {
        let bytes: [UInt8] = [0xff, 0x80, 0x01, 0x02, 0x03, 0x04]
        #expect(read(bytes, 0) == 0xff80_0102)
        #expect(read(bytes, 2) == 0x0102_0304)
        for offset in [-1, 3, 6, 7, Int.max, Int.min] {
            #expect(read(bytes, offset) == nil, "at \(offset)")
        }
        #expect(read([], 0) == nil)
    }
}
