// All events of a session in all orders, up to six, from every kind of beginning: 40 million sequences, which lead to
// 200,000 states. DrivenSession checks the rules at each step; this file generates the sequences.

import FuzzTargets
import Testing

@testable import CancelPolicy
@testable import PostgresProtocol

/// A session some events after its beginning.
private func session(
    _ events: DrivenSession.Event..., of session: DrivenSession = DrivenSession(timeout: shortTimeout)
) throws -> DrivenSession {
    var session = session
    for event in events {
        let happened = try session.apply(event)
        try #require(happened, "\(event) can't happen")
    }
    return session
}

/// So few cancels fit into it that their end is reached.
private let shortTimeout = Duration.milliseconds(100)

private let login = DrivenSession.Event.serverAnswered(Array("RKZ".utf8))
private let query = DrivenSession.Event.clientSent([FrontendKind.query])
private let batch = DrivenSession.Event.clientSent(Array("PBES".utf8))

/// The possible events: the types of messages that differ in their meaning, and every other event.
private let alphabet: [DrivenSession.Event] =
    "QESc".utf8.map { .clientSent([$0]) } + [.clientSent([FrontendKind.terminate])]
    + ["K", "Z", "CZ", "C", "Cy", "xZ", "E", "G"].map { .serverAnswered(Array($0.utf8)) }
    + [DropKind.fin, .timeout].map { .clientDropped($0) }
    + [.serverClosed, .cancelBegan, .cancelConcluded(.sent), .cancelConcluded(.notSent), .timerFired]

/// The same, with what only the monitor answers.
private let monitorAlphabet = alphabet + [.cancelConcluded(.leftAlone)]

/// A beginning of a session, by its name.
private struct Beginning: CustomTestStringConvertible {
    let testDescription: String
    let session: @Sendable () throws -> DrivenSession

    var isMonitored: Bool { testDescription.contains("with a monitor") }

    init(_ name: String, _ session: @escaping @Sendable () throws -> DrivenSession) {
        testDescription = name
        self.session = session
    }
}

private let monitored = DrivenSession(timeout: shortTimeout, monitor: .init(isConnected: true))
private let ended = DrivenSession(
    timeout: shortTimeout, monitor: .init(isConnected: false, terminateAfter: .milliseconds(5))
)

private let drop = DrivenSession.Event.clientDropped(.fin)

private let beginnings = [
    Beginning("new") { try session() },
    Beginning("authenticated, with a key") { try session(.serverAnswered(Array("RK".utf8))) },
    Beginning("idle") { try session(login) },
    Beginning("idle, without a key") { try session(.serverAnswered(Array("RZ".utf8))) },
    Beginning("busy with a query, a batch and a query") { try session(login, query, batch, query) },
    Beginning("in a copy") { try session(login, query, .serverAnswered([BackendKind.copyInResponse])) },
    Beginning("a walsender at work") { try session(login, query, of: DrivenSession(isReplication: true)) },
    Beginning("a walsender that streams") {
        try session(login, query, .serverAnswered(Array("W".utf8)), of: DrivenSession(isReplication: true))
    },
    Beginning("left out") { try session(login, query, of: DrivenSession(isExcluded: true)) },
    Beginning("given a grace") {
        try session(login, query, query, of: DrivenSession(timeout: shortTimeout, grace: .milliseconds(4)))
    },
    Beginning("cut off in the middle of a message") {
        try session(login, query, of: DrivenSession(cut: .unknown, timeout: shortTimeout))
    },
    Beginning("cut off in copy data") {
        let cut = CutMessage(kind: FrontendKind.copyData, headerMissing: 0, bodyMissing: 3)
        return try session(login, query, of: DrivenSession(cut: cut, timeout: shortTimeout))
    },
    Beginning("cut off in a batch") {
        try session(login, .clientSent(Array("PBE".utf8)), of: DrivenSession(cut: .unknown, timeout: shortTimeout))
    },
    Beginning("in a transaction block, with a commit to come") {
        try session(login, query, .serverAnswered(Array("Cy".utf8)), query, .clientSent(Array("k".utf8)))
    },
    Beginning("beginning a transaction") { try session(login, .clientSent(Array("bQ".utf8)), drop) },
    Beginning("dropped") { try session(login, query, query, drop) },
    Beginning("dropped while starting up") { try session(query, drop) },
    Beginning("dropped and cancelled in vain") {
        try session(login, query, drop, .cancelBegan, .cancelConcluded(.sent), .timerFired)
    },
    Beginning("dropped with others behind, cancelled when slow") {
        try session(login, query, batch, drop, .timerFired, .cancelBegan, .cancelConcluded(.sent))
    },
    Beginning("dropped with a monitor") { try session(login, query, drop, of: monitored) },
    Beginning("busy with three requests, with a monitor") {
        try session(login, query, batch, query, of: monitored)
    },
    Beginning("dropped with a monitor, without a key") {
        try session(.serverAnswered(Array("RZ".utf8)), query, query, drop, of: monitored)
    },
    Beginning("dropped with a monitor that ends backends, cancelled in vain") {
        try session(login, query, drop, .cancelBegan, .cancelConcluded(.sent), .timerFired, of: ended)
    },
    Beginning("dropped and out of reach") {
        try session(login, query, drop, .cancelBegan, .cancelConcluded(.notSent), of: DrivenSession())
    },
]

@Suite struct `Whatever happens to a session within six events` {
    /// Sequences that led to the same state continue together, as the rest depends on the state only.
    @Test(arguments: beginnings) fileprivate func `every rule is kept`(beginning: Beginning) throws {
        // The number of sequences that lead to each state.
        var reached = [try beginning.session(): 1]
        for _ in 0..<6 {
            var next: [DrivenSession: Int] = [:]
            for (session, sequences) in reached {
                for event in beginning.isMonitored ? monitorAlphabet : alphabet {
                    var session = session
                    if try session.apply(event) { next[session, default: 0] += sequences }
                }
            }
            reached = next
            for var session in reached.keys { try session.outlast() }
        }
        #expect(reached.values.reduce(0, +) > 10_000, "there is much to choose from")
    }
}
