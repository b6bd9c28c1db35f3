// A Sync between the data of a copy: ignored until the copy fails, answered when the data before it was bad.

import Testing

@testable import PostgresProtocol

@Suite struct `A Sync within a copy over the extended protocol` {
    /// The record after these messages of the client (`>`) and the server (`<`), by their types.
    private func outstanding(_ transcript: String) -> OutstandingRequests {
        var outstanding = OutstandingRequests()
        outstanding.serverAnswered(UInt8(ascii: "Z"))
        for word in transcript.split(separator: " ") {
            for kind in word.utf8.dropFirst() {
                word.first == ">" ? outstanding.clientSent(kind) : outstanding.serverAnswered(kind)
            }
        }
        return outstanding
    }

    @Test(arguments: [
        (">PBEdSQ <12GEZ", true), (">PBEdSQ <12GEZCZ", false),
        (">PBE <12G >dSQ <EZ", true), (">PBE <12G >dSQ <EZCZ", false),
        (">PBE <12G >dSPBES <EZ", true), (">PBE <12G >dSPBES <EZ12CZ", false),
        (">PBEdS <12GEZ", false), (">PBE <12G >dS <EZ", false), (">PBE <12G >dS <E >c <Z", false),
        (">PBEdSPBES <12GEZ12CZ", false), (">PBEdSPBES <12GEZ12", true),
    ])
    func `After bad data it is answered, and requests after it are outstanding`(transcript: String, isBusy: Bool) {
        #expect(outstanding(transcript).isBusy == isBusy)
    }

    @Test(arguments: [
        (">PBES <12G >d <E >cS <Z", false), (">PBE <12G >dScS <CZ", false), (">PBES <12G >dcS <CZ", false),
        (">PBEdScS <12GCZ", false), (">PBE <12G >dS", true), (">PBE <12G >dSc", true),
    ])
    func `Without data before it, or when the copy succeeds, it is ignored`(transcript: String, isBusy: Bool) {
        #expect(outstanding(transcript).isBusy == isBusy)
    }

    @Test(arguments: [
        (">PBESQ <12GE", false, true), (">PBESQ <12GEZ", false, true), (">PBESQ <12GEZCZ", false, false),
        (">PBESSQ <12GEZ", false, true), (">PBESPBES <12GEZ", false, true), (">PBES <12GEZ", true, false),
    ])
    func `When the copy fails before any of it was read, as at a cancel, the Sync after it is answered`(
        transcript: String, isIdle: Bool, isBusy: Bool
    ) {
        let outstanding = outstanding(transcript)
        #expect(!outstanding.isAwaitingSync)
        if isIdle { #expect(!outstanding.isBusy) }
        if isBusy { #expect(outstanding.isBusy) }
    }

    @Test func `Where the state cannot be known, the record errs towards busy`() {
        #expect(outstanding(">PBE <12G >dSdcS <EZ").isBusy)
        #expect(!outstanding(">PBE <12G >dS <E").isAwaitingSync)
    }
}
