// The record of outstanding requests around COPY FROM STDIN, where a Sync may have no effect and bytes follow an error.

import PostgresProtocol
import Testing

@Suite struct `The record of outstanding requests, around a copy from the client,` {
    @Test(arguments: ["d d c", "d f", "c"])
    func `A simple copy is answered with one ReadyForQuery, however it ends`(copy: String) {
        var transcript = RequestTranscript()
        transcript.client("Q")
        transcript.server("G")
        transcript.client(copy)
        #expect(transcript.isBusy)
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `Sync and Flush within a copy are ignored by the server`() {
        var transcript = RequestTranscript()
        transcript.client("Q")
        transcript.server("G")
        transcript.client("d S H d S c")
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `Syncs sent before the server said it wants a copy, and before its end, are not answered`() {
        var transcript = RequestTranscript()
        transcript.client("Q d S d c S")
        transcript.server("G C Z")
        #expect(transcript.isBusy, "the Sync behind the copy is answered")
        transcript.server("Z")
        #expect(!transcript.isBusy)
    }

    @Test
    func `libpq's copy over the extended protocol: the first Sync is ignored, the one after the copy answered`() {
        var transcript = RequestTranscript()
        transcript.client("P B D E S")
        transcript.server("1 2 n G")
        transcript.client("d d c S")
        transcript.server("C")
        #expect(transcript.isBusy)
        transcript.server("Z")
        #expect(!transcript.isBusy)
    }

    @Test func `The same, when the copy fails: messages are skipped up to the Sync after it`() {
        var transcript = RequestTranscript()
        transcript.client("P B D E S")
        transcript.server("1 2 n G")
        transcript.client("d d")
        transcript.server("E")
        transcript.client("d c")
        #expect(transcript.isBusy)
        transcript.client("S")
        transcript.server("Z")
        #expect(!transcript.isBusy)
    }

    @Test func `A copy sent completely before the server's first message`() {
        var transcript = RequestTranscript()
        transcript.client("P B E d d c S")
        transcript.server("1 2 G C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `After an error in a simple copy the rest of it is discarded without a reply`() {
        var transcript = RequestTranscript()
        transcript.client("Q")
        transcript.server("G")
        transcript.client("d d")
        transcript.server("E Z")
        #expect(!transcript.isBusy)
        transcript.client("d d c")
        #expect(!transcript.isBusy)
        transcript.client("Q")
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `An end of a copy that never began answers nothing and hides nothing`() {
        var transcript = RequestTranscript()
        transcript.client("Q d c Q")
        transcript.server("E Z")
        #expect(transcript.isBusy)
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `An end of a copy that never began leaves the batch it stands in open`() {
        var transcript = RequestTranscript()
        transcript.client("P c H")
        transcript.server("1")
        #expect(transcript.isBusy)
        transcript.client("B E S")
        transcript.server("2 C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `So do several`() {
        var transcript = RequestTranscript()
        transcript.client("P f c")
        transcript.server("1")
        #expect(transcript.isBusy)
    }

    @Test(arguments: ["c c", "c f c", "c d f"])
    func `A copy ended again leaves its batch open: the Sync was ignored`(ends: String) {
        var transcript = RequestTranscript()
        transcript.client("P B E S")
        transcript.client(ends)
        transcript.server("1 2 G C")
        #expect(transcript.isBusy)
        transcript.client("S")
        transcript.server("Z")
        #expect(!transcript.isBusy)
    }

    @Test func `A batch sent after a copy that fails is answered: it cannot have been part of the copy`() {
        var transcript = RequestTranscript()
        transcript.client("Q d B P S")
        transcript.server("G E Z E")
        #expect(transcript.isBusy)
        transcript.server("Z")
        #expect(!transcript.isBusy)
    }

    @Test func `A Sync directly after bad data ends the batch, although it was assumed to be ignored`() {
        var transcript = RequestTranscript()
        transcript.client("P B E H")
        transcript.server("1 2 G")
        transcript.client("d S")
        transcript.server("E Z")
        #expect(!transcript.isBusy)
        transcript.client("Q")
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `Two copies in one Query`() {
        var transcript = RequestTranscript()
        transcript.client("Q")
        transcript.server("G")
        transcript.client("d c")
        transcript.server("C G")
        transcript.client("d S c Q")
        transcript.server("C Z")
        #expect(transcript.isBusy)
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test(arguments: ["c", "f"])
    func `The end of a copy that never was, sent when all of its batch is answered`(end: String) {
        var transcript = RequestTranscript()
        transcript.client("P B")
        transcript.server("1 2")
        transcript.client(end)
        #expect(transcript.isBusy, "the batch is open")
        transcript.client("C S Q")
        transcript.server("3 Z")
        #expect(transcript.isBusy)
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }

    @Test func `An unexpected ReadyForQuery with nothing before it is not taken for the answer to a Query`() {
        var transcript = RequestTranscript()
        transcript.client("Q")
        transcript.server("Z")
        #expect(transcript.isBusy)
        transcript.server("C Z")
        #expect(!transcript.isBusy)
    }
}
