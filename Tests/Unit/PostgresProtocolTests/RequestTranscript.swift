// A conversation as the letters of its messages, for tests that read as transcripts.

@testable import PostgresProtocol

/// A conversation after its startup.
struct RequestTranscript {
    var outstanding = OutstandingRequests()

    init() {
        outstanding.serverAnswered(BackendKind.readyForQuery)
    }

    mutating func client(_ kinds: String) {
        for kind in kinds.utf8 where kind != UInt8(ascii: " ") { outstanding.clientSent(kind) }
    }

    mutating func server(_ kinds: String) {
        for kind in kinds.utf8 where kind != UInt8(ascii: " ") { outstanding.serverAnswered(kind) }
    }

    var isBusy: Bool { outstanding.isBusy }
}
