// The invariants at the end of every schedule, each with a name, and its exceptions by name.

import CancelPolicy
import PostgresProtocol
import Reactor
import Simulation

/// An invariant of every schedule.
struct Invariant: Sendable {
    let name: String
    /// The violation, or nil.
    let check: @Sendable (World) -> String?

    init(_ name: String, _ check: @escaping @Sendable (World) -> String?) {
        self.name = name
        self.check = check
    }

    static let all: [Invariant] = [
        Invariant("nobody loops for ever") { $0.facts.isEndless ? "\(World.mostSteps) steps" : nil },
        Invariant("every drop ends in exactly one outcome", oneOutcome),
        Invariant("reaping ends within its time", inTime),
        Invariant("the counters balance", balance),
        Invariant("every session ends once, and gives its place back", oneEnd),
        Invariant("what goes in comes out", sameBytes),
        Invariant("no bytes are stuck") { list($0.facts.stuck) },
        Invariant("no cancel for an idle session") { list($0.facts.cancelsWhileIdle.map { "backend \($0.number)" }) },
        Invariant("no cancel after the end") { world in
            let backends = world.facts.cancelsAfterEnd.filter { world.outcome(of: $0) != .unconfirmed }
            return list(backends.map { "backend \($0.number)" })
        },
        Invariant("what runs where the connection broke is cancelled", unseen),
        Invariant("no cancel with a wrong key") { list($0.facts.cancelsToNobody) },
        Invariant("no cancel for who is left out") { list($0.facts.cancelsToExcluded.map { "backend \($0.number)" }) },
        Invariant("nothing is committed without what came before it", beginnings),
        Invariant("no commit is cut short") { list($0.facts.commitsCutShort.map { "backend \($0.number)" }) },
        Invariant("never more cancels at a time to one address than allowed") { world in
            // The same number may have been answered, and wait for the server to close them.
            let most = 2 * world.configuration.cancel.maxConcurrent
            return world.facts.mostCancels > most ? "\(world.facts.mostCancels), \(most) are allowed" : nil
        },
        Invariant("every cancel matches a process", matches),
        Invariant("no orphan", noOrphan),
        Invariant("what is said to have ended has ended") { list($0.facts.falseReports) },
        Invariant("nothing is given up without need", givenUp),
        Invariant("nothing is left over", nothingLeft),
    ]

    private static func list(_ findings: [String]) -> String? {
        findings.isEmpty ? nil : findings.joined(separator: ", ")
    }

    // MARK: - Ends

    private static func oneOutcome(_ world: World) -> String? {
        let (facts, counters) = (world.facts, world.counters)
        let drops = sum(DropKind.allCases) { counters.drops[$0].value }
        let outcomes = sum(Outcome.allCases) { counters.orphans[$0].value }
        guard drops == outcomes, Int(drops) == facts.reaped.count else {
            return "\(drops) drops, \(outcomes) outcomes, \(facts.reaped.count) in the log"
        }
        let reaped = facts.reaped.map(\.client)
        guard Set(reaped).count == reaped.count else { return "a client was reaped twice: \(reaped)" }
        let ended = facts.reasons.filter { $0.value == [.reaped] }.keys
        // Those that are present when the connection to their server breaks end like others.
        let left = facts.reaped.filter { $0.drop != DropKind.serverLost.rawValue }.map(\.client)
        return Set(ended) == Set(left) ? nil : "\(reaped) have an outcome, \(ended) ended as reaped"
    }

    /// A loop may be late by some milliseconds.
    private static func inTime(_ world: World) -> String? {
        let most = world.configuration.cancel.timeout.milliseconds + 50
        return list(world.facts.reaped.filter { $0.milliseconds > most }.map { "\($0.milliseconds) ms" })
    }

    private static func balance(_ world: World) -> String? {
        let counters = world.counters
        let ended = sum(EndReason.allCases) { counters.sessionsEnded[$0].value }
        let confirmed = sum(Outcome.allCases.filter(\.isConfirmed)) { (outcome: Outcome) in
            counters.orphans[outcome].value
        }
        let dispatched = world.dispatcherCounters
        let sent = dispatched.cancelsSent[.request].value + dispatched.clientCancelsRelayed.value
        let signals = dispatched.cancelsSent[.monitor].value + dispatched.backendsTerminated.value
        // A signal whose result was lost, or came too late, is not counted.
        guard signals <= world.facts.signals else { return "\(signals) signals, \(world.facts.signals) sent" }
        let pairs: [(String, Int64, Int64)] = [
            ("opened and accepted", counters.sessionsOpened.value, Int64(world.facts.accepted)),
            ("opened and ended", counters.sessionsOpened.value, ended),
            ("active and none", counters.sessionsActive.value, 0),
            ("busy and none", counters.sessionsBusy.value, 0),
            ("orphans active and none", counters.orphansActive.value, 0),
            ("observed and confirmed", counters.reapTime.counts.reduce(0) { $0 + $1.value }, confirmed),
            ("cancels counted and sent", sent, Int64(world.facts.packets)),
        ]
        return list(pairs.filter { $0.1 != $0.2 }.map { "\($0.0): \($0.1) and \($0.2)" })
    }

    private static func oneEnd(_ world: World) -> String? {
        if let (client, reasons) = world.facts.reasons.first(where: { $0.value.count != 1 }) {
            return "client \(client): \(reasons)"
        }
        guard world.facts.reasons.count == world.facts.accepted else {
            return "\(world.facts.accepted) accepted, \(world.facts.reasons.count) ended"
        }
        guard world.load.used == 0 else { return "the worker's load is \(world.load.used)" }
        let places = (0..<world.configuration.listen.maxSessions).filter { _ in world.sessionQuota.tryAcquire() }.count
        guard places == world.configuration.listen.maxSessions else { return "\(places) places left" }
        return world.sessionQuota.tryAcquire() ? "a place too many" : nil
    }

    private static func nothingLeft(_ world: World) -> String? {
        let keys = world.server.backends.filter { backend in
            let bytes = backend.key
            guard let key = CancelKey(backendKeyData: bytes.span) else { return false }
            return world.keys.route(of: key) != nil
        }
        let left: [(String, Int)] = [
            ("sessions", world.sessionsLeft()), ("sockets", world.socketsLeft), ("timers", world.timersLeft),
            ("keys", keys.count), ("drains", (world.isDraining ? 1 : 0) - world.facts.drained),
        ]
        return list(left.filter { $0.1 != 0 }.map { "\($0.1) \($0.0)" })
    }

    // MARK: - Effects

    /// A client's own cancel can reach any statement.
    private static func beginnings(_ world: World) -> String? {
        let backends = world.server.backends.filter { backend in
            !backend.transaction.committedWithout.isEmpty && !world.facts.isOfClient(backend)
        }
        return list(backends.map { "backend \($0.number)" })
    }

    // MARK: - Bytes

    private static func sameBytes(_ world: World) -> String? {
        for client in world.clients where client.socket != nil {
            let backend = world.backend(of: client)
            let passedOn = backend.map { $0.received + $0.socket.outbox } ?? []
            let script = client.script[..<client.position]
            let common = zip(script, passedOn).prefix { $0 == $1 }.count
            guard passedOn.count == common || endsInItsPlace(passedOn, script, common) else {
                return "client \(client.number) sent \(text(client.script[..<client.position])), "
                    + "the server got \(text(passedOn))"
            }
            let answers = backend?.said ?? []
            let got = client.answers
            guard !answers.starts(with: got) else { continue }
            guard got.starts(with: answers.prefix(got.count)) || speaksItself(got, answers) else {
                return "the server said \(text(answers)), client \(client.number) got \(text(got))"
            }
            guard speaksItself(got, answers) else {
                return "client \(client.number) got more than was said: \(text(got))"
            }
        }
        return nil
    }

    /// The server's input ends with messages that pgleash sent in place of a client that left.
    private static func endsInItsPlace(_ got: [UInt8], _ script: ArraySlice<UInt8>, _ common: Int) -> Bool {
        let endings = [LastMessages.copyFail, LastMessages.failingExecute, LastMessages.sync, LastMessages.terminate]
        // The first of them begins like the client's next bytes, or a CopyData of the client is completed before it.
        let starts = Array(max(0, common - 64)...common) + [endOfCopyData(in: got, from: common)].compactMap { $0 }
        return starts.contains { start in
            var rest = got[start...]
            while let ending = endings.first(where: { rest.starts(with: $0) }) { rest = rest.dropFirst(ending.count) }
            return rest.isEmpty || endings.contains { $0.starts(with: rest) }
        }
    }

    /// The end of the CopyData that contains this position, if its body has only spaces after it.
    private static func endOfCopyData(in got: [UInt8], from position: Int) -> Int? {
        func length(at start: Int) -> Int { got[start..<start + 4].reduce(0) { $0 << 8 + Int($1) } }
        var (start, end) = (0, got.count < 4 ? got.count : length(at: 0))
        while end <= position, end + 5 <= got.count { (start, end) = (end, end + 1 + length(at: end + 1)) }
        guard start > 0, start <= position, got[start] == FrontendKind.copyData, end <= got.count else { return nil }
        return got[max(start + 5, position)..<end].allSatisfy { $0 == UInt8(ascii: " ") } ? end : nil
    }

    /// The end of `got` is a message of pgleash, at a message boundary of the server.
    private static func speaksItself(_ got: [UInt8], _ answers: [UInt8]) -> Bool {
        let same = zip(got, answers).prefix { $0 == $1 }.count
        let own = Array("SFATAL\0VFATAL\0C".utf8)
        // The type byte and the length can be equal to the server's next bytes.
        return (max(0, same - 8)...same).contains { start in
            let rest = got[start...]
            return rest.first == UInt8(ascii: "E") && rest.dropFirst(5).starts(with: own.prefix(max(0, rest.count - 5)))
        }
    }

    // MARK: - Cancels

    /// The server logs a cancel that matches no process, and pgleash avoids this for its own cancels as far as
    /// possible.
    private static func matches(_ world: World) -> String? {
        let findings = world.facts.unmatched.filter { unmatched in
            // A client's own cancel can contain any key.
            guard let target = unmatched.target else { return false }
            if world.facts.isOfClient(target) { return false }
            // Not awaited for longer than `attempt_timeout`.
            if unmatched.wasAbandoned { return false }
            // Nor beyond `[cancel] timeout`, whatever is under way.
            if hasReachedDeadline(target, world) { return false }
            // The backend has exited by itself, or has read Terminate or the end of the stream that pgleash sends to
            // make it exit. If the end of the session caused it, that came too early.
            return target.exitCause == .endOfStream && target.sawClose
        }
        return findings.isEmpty ? nil : list(findings.map { "backend \($0.target?.number ?? -1)" })
    }

    private static func hasReachedDeadline(_ backend: FakeBackend, _ world: World) -> Bool {
        let drop = min(backend.client?.leavingTime ?? never, backend.client?.closingTime ?? never)
        let timeout = UInt64(world.configuration.cancel.timeout.wholeNanoseconds)
        return drop != never && backend.closingTime >= drop + timeout
    }

    private static func noOrphan(_ world: World) -> String? {
        let findings = world.facts.orphans.filter { orphan in
            switch world.outcome(of: orphan.backend) {
            case .gaveUp, .noKey, .excluded: return false
            // After a part of a message a pooler can only get the end of the stream.
            case .unconfirmed where orphan.backend.isForgotten: return false
            default: break
            }
            return orphan.backend.client?.isLeftOut != true
        }
        return list(findings.map { "backend \($0.backend.number) \($0.how)" })
    }

    /// At least one cancel must be requested: it may be lost, and then no reply shows it.
    private static func unseen(_ world: World) -> String? {
        let backends = world.server.backends.filter { backend in
            backend.wasSeveredAlone && backend.isRunning && !world.facts.isOfOrphan(backend) && world.server.givesKeys
                && backend.client?.isLeftOut != true && backend.client?.role != .replication
                && backend.client?.usesControl != true && world.outcome(of: backend) != .noKey
        }
        return list(backends.map { "backend \($0.number)" })
    }

    /// Without faults only statements that catch every cancel are given up.
    private static func givenUp(_ world: World) -> String? {
        // A pipeline takes time.
        guard !world.chance.isRough, world.configuration.cancel.timeout >= .seconds(3) else { return nil }
        // A statement before a statement of control is not cancelled.
        let backends = world.server.backends.filter { backend in
            world.outcome(of: backend) == .gaveUp && !backend.isStubborn && backend.client?.usesControl != true
                && backend.client?.role != .replication
        }
        return list(backends.map { "backend \($0.number)" })
    }

    private static func sum<Label>(_ labels: [Label], _ value: (Label) -> Int64) -> Int64 {
        labels.reduce(0) { $0 + value($1) }
    }
}
