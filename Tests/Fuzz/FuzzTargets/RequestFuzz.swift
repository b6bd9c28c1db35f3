// The record of outstanding requests and the result of a drop, for all events of client, server, dispatcher and clock.
// An input is a transcript, so that those in the corpus can be read and written by hand:
//
//     >PBES <12TDCZ >Q !f b y <E Z
//
// After `>` each byte is the type of a message of the client, after `<` of the server; blanks end a receive. After `!`
// each is an event (see `event`). `*` repeats the message before it, 4,096 times. A transcript that begins with `R` is
// that of a replication connection.

import PostgresProtocol

func fuzzRequests(_ bytes: [UInt8]) throws(Violation) {
    var player = TranscriptPlayer(isReplication: bytes.first == UInt8(ascii: "R"))
    for byte in bytes { try player.play(byte) }
    try player.finish()
}

private struct TranscriptPlayer {
    private enum Voice { case client, server, event }

    private static let repeatCount = 4096
    /// Enough to fill the record several times; more would only be slow.
    private static let mostRepeats = 16

    private var session: DrivenSession
    private var voice = Voice.event
    /// The server's messages in one receive.
    private var answers: [UInt8] = []
    private var last: UInt8?
    private var repeats = 0

    init(isReplication: Bool) {
        session = DrivenSession(isReplication: isReplication)
    }

    mutating func play(_ byte: UInt8) throws(Violation) {
        switch byte {
        case UInt8(ascii: ">"): try change(to: .client)
        case UInt8(ascii: "<"): try change(to: .server)
        case UInt8(ascii: "!"): try change(to: .event)
        case UInt8(ascii: " "), UInt8(ascii: "\n"): try endReceive()
        case UInt8(ascii: "*"): try playAgain()
        default: try say(byte)
        }
    }

    mutating func finish() throws(Violation) {
        try endReceive()
        try checkMemory()
        try session.outlast()
    }

    private mutating func change(to voice: Voice) throws(Violation) {
        try endReceive()
        self.voice = voice
        last = nil
    }

    private mutating func endReceive() throws(Violation) {
        guard !answers.isEmpty else { return }
        _ = try session.apply(.serverAnswered(answers))
        answers.removeAll(keepingCapacity: true)
    }

    private mutating func playAgain() throws(Violation) {
        guard voice != .event, let last, repeats < Self.mostRepeats else { return }
        repeats += 1
        for _ in 0..<Self.repeatCount { try say(last) }
        try checkMemory()
    }

    private mutating func say(_ byte: UInt8) throws(Violation) {
        last = byte
        switch voice {
        case .client: _ = try session.apply(.clientSent([byte]))
        case .server: answers.append(byte)
        case .event: if let event = Self.event(byte) { _ = try session.apply(event) }
        }
    }

    private static func event(_ byte: UInt8) -> DrivenSession.Event? {
        switch byte {
        case UInt8(ascii: "f"): .clientDropped(.fin)
        case UInt8(ascii: "r"): .clientDropped(.reset)
        case UInt8(ascii: "t"): .clientDropped(.timeout)
        case UInt8(ascii: "p"): .clientDropped(.protocolError)
        case UInt8(ascii: "s"): .clientDropped(.shutdown)
        case UInt8(ascii: "c"): .serverClosed
        case UInt8(ascii: "b"): .cancelBegan
        case UInt8(ascii: "y"): .cancelConcluded(.sent)
        case UInt8(ascii: "n"): .cancelConcluded(.notSent)
        case UInt8(ascii: "w"): .timerFired
        default: nil
        }
    }

    /// The record contains the outstanding requests, and up to as many completed ones before it frees those.
    private func checkMemory() throws(Violation) {
        guard repeats > 0 else { return }
        let segments = Mirror(reflecting: session.state.tracker.outstanding).children.first { $0.label == "segments" }
        guard let segments else { throw Violation("the record has segments") }
        let count = Mirror(reflecting: segments.value).children.count
        try check(count <= 2 * OutstandingRequests.fullCount, "the record is bounded: it has \(count) segments")
    }
}
