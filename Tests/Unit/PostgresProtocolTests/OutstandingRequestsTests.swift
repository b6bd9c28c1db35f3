// The record of outstanding requests, written as transcripts: the letters are the message types of PostgreSQL's
// protocol.

import Testing

@testable import PostgresProtocol

@Suite struct `The record of outstanding requests` {
    @Test func `A session is busy from its startup to the first ReadyForQuery`() {
        var outstanding = OutstandingRequests()
        #expect(outstanding.isBusy && outstanding.isStartingUp)
        outstanding.serverAnswered(BackendKind.authentication)
        outstanding.serverAnswered(BackendKind.backendKeyData)
        #expect(outstanding.isBusy)
        outstanding.serverAnswered(BackendKind.readyForQuery)
        #expect(!outstanding.isBusy && !outstanding.isStartingUp)
    }

    @Test func `A Query sent before the first ReadyForQuery is outstanding after it`() {
        var outstanding = OutstandingRequests()
        outstanding.clientSent(FrontendKind.query)
        outstanding.serverAnswered(BackendKind.readyForQuery)
        #expect(outstanding.isBusy)
        outstanding.serverAnswered(BackendKind.commandComplete)
        outstanding.serverAnswered(BackendKind.readyForQuery)
        #expect(!outstanding.isBusy)
    }

    @Test(arguments: [
        ("Q", "T D D C Z"), ("Q", "E Z"), ("Q", "I Z"), ("Q", "T D C C T D C Z"), ("Q", "H d d c C Z"),
        ("F", "V Z"), ("F", "E Z"), ("S", "Z"), ("P B D E S", "1 2 T D C Z"), ("P D S", "1 t T Z"),
        ("P D S", "1 t n Z"), ("B E H E S", "2 D s D C Z"), ("C S", "3 Z"), ("P B E S", "E Z"), ("S S S", "Z Z Z"),
        ("Q Q Q", "C Z C Z E Z"), ("P B E S P B E S", "1 2 C Z E Z"), ("P B E P B E S", "1 2 C E Z"),
        ("P B E Q", "1 2 C C Z"), ("P B E Q S", "E Z"), ("P B E Q Q S Q", "1 E Z C Z"),
        ("P B E S", "1 2 H d c C Z"),
        ("P B E S", "1 2 I Z"), ("P B E S", "1 2 C E Z"), ("Q", "N S A C Z"),
    ]
    )
    func `Once all is answered, the session is idle, and busy until then`(client: String, server: String) {
        var transcript = RequestTranscript()
        transcript.client(client)
        for kind in server.split(separator: " ") {
            #expect(transcript.isBusy, "before \(kind)")
            transcript.server(String(kind))
        }
        #expect(!transcript.isBusy)
    }

    @Test func `Extended messages without Sync keep the session busy, answered or not`() {
        var transcript = RequestTranscript()
        transcript.client("P B E H")
        #expect(transcript.isBusy)
        transcript.server("1 2 D s")
        #expect(transcript.isBusy)
        transcript.client("S")
        transcript.server("Z")
        #expect(!transcript.isBusy)
    }

    @Test(
        arguments: [
            ([], .commit, .commit), ([], .control, .control), ([], .ordinary, .ordinary),
            ([.ordinary], .commit, .commit), ([.control], .control, .control), ([.ordinary], .control, .ordinary),
        ] as [([StatementKind], StatementKind, StatementKind)])
    func `An Execute gives its batch the kind of a portal that was bound in an earlier one`(
        bound: [StatementKind], executed: StatementKind, kind: StatementKind
    ) {
        var outstanding = OutstandingRequests()
        outstanding.serverAnswered(BackendKind.readyForQuery)
        for statement in bound { outstanding.clientSent(FrontendKind.bind, statement) }
        outstanding.clientSent(FrontendKind.execute, executed)
        outstanding.clientSent(FrontendKind.sync)
        #expect(outstanding.requests.map(\.kind) == [kind])
    }

    @Test func `Flush, CopyData and Terminate alone have no reply`() {
        var transcript = RequestTranscript()
        transcript.client("H d c f X p")
        #expect(!transcript.isBusy)
    }

    @Test func `After an error in an extended batch everything up to the next Sync is never answered, a Query too`() {
        var transcript = RequestTranscript()
        transcript.client("P B E Q F Q S")
        transcript.server("1 E")
        #expect(transcript.isBusy)
        transcript.server("Z")
        #expect(!transcript.isBusy)
    }

    @Test func `What is sent while the server skips is skipped too, until a Sync is sent`() {
        var transcript = RequestTranscript()
        transcript.client("P B E")
        transcript.server("E")
        transcript.client("Q P B E")
        #expect(transcript.isBusy)
        transcript.client("S Q")
        transcript.server("Z")
        #expect(transcript.isBusy, "the Query behind the Sync is not skipped")
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `The skipping ends at the first Sync, whatever was sent after it`() {
        var transcript = RequestTranscript()
        transcript.client("P B E S P B E S Q")
        transcript.server("E Z")
        #expect(transcript.isBusy)
        transcript.server("1 2 C Z")
        #expect(transcript.isBusy)
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `An error of a Query after answered extended messages skips nothing`() {
        var transcript = RequestTranscript()
        transcript.client("P B E Q Q")
        transcript.server("1 2 C E Z")
        #expect(transcript.isBusy)
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test(arguments: ["S", "N", "A"])
    func `Parameter changes, notices and notifications answer nothing`(kind: String) {
        var transcript = RequestTranscript()
        transcript.server(kind)
        #expect(!transcript.isBusy)
        transcript.client("Q")
        transcript.server(kind)
        #expect(transcript.isBusy)
    }
}

@Suite struct `How much is remembered` {
    @Test func `A pipeline fills the record, and answers empty it again`() {
        var transcript = RequestTranscript()
        for _ in 0..<OutstandingRequests.fullCount - 1 { transcript.client("Q") }
        #expect(!transcript.outstanding.isFull)
        transcript.client("Q")
        #expect(transcript.outstanding.isFull)
        transcript.server("C Z")
        #expect(!transcript.outstanding.isFull)
    }

    @Test func `A client that is always one query ahead leaves no trail`() {
        var transcript = RequestTranscript()
        transcript.client("Q")
        for _ in 0..<100_000 {
            transcript.client("Q")
            transcript.server("C Z")
        }
        transcript.server("C Z")
        #expect(!transcript.isBusy)
        #expect(transcript.outstanding == RequestTranscript().outstanding)
    }
}
