// The messages of a fake client: random conversations, in the small language of FakeBackend. A statement is one letter,
// a Query's text several letters.

import Simulation
import TestSupport

/// The letters of the fake server's statements.
enum Statement {
    static let row = UInt8(ascii: "q")
    static let manyRows = UInt8(ascii: "m")
    static let noRows = UInt8(ascii: "n")
    static let error = UInt8(ascii: "e")
    static let syntaxError = UInt8(ascii: "?")
    static let shortWait = UInt8(ascii: "w")
    static let longWait = UInt8(ascii: "v")
    static let endlessWait = UInt8(ascii: "W")
    /// An endless wait that catches `query_canceled` once, twice or three times.
    static let catching = [UInt8](arrayLiteral: UInt8(ascii: "1"), UInt8(ascii: "2"), UInt8(ascii: "3"))
    /// One that always catches it.
    static let stubborn = UInt8(ascii: "9")
    static let copyIn = UInt8(ascii: "i")
    static let copyOut = UInt8(ascii: "o")
    /// In texts these are words, as pgleash identifies them by the first word.
    static let begin = UInt8(ascii: "B")
    static let commit = UInt8(ascii: "C")
    static let rollback = UInt8(ascii: "R")
    static let set = UInt8(ascii: "S")

    static let words: [UInt8: String] = [begin: "BEGIN", commit: "COMMIT", rollback: "ROLLBACK", set: "SET x"]

    static func isControl(_ statement: UInt8) -> Bool { words[statement] != nil }

    /// The letters of a text: its parts between semicolons are words or letters.
    static func letters(in text: ArraySlice<UInt8>) -> [UInt8] {
        text.split(separator: UInt8(ascii: ";")).flatMap { part in
            words.first { Array($0.value.utf8) == Array(part) }.map { [$0.key] } ?? Array(part)
        }
    }

    static func text(of statement: UInt8) -> [UInt8] { words[statement].map { Array($0.utf8) } ?? [statement] }
}

/// Draws the messages of one client.
struct RandomFrontend {
    let chance: Chance

    func statement() -> UInt8 {
        switch chance.below(32) {
        case 0..<8: Statement.row
        case 8..<10: Statement.manyRows
        case 10..<12: Statement.noRows
        case 12..<14: Statement.error
        case 14: Statement.syntaxError
        case 15..<18: Statement.shortWait
        case 18..<20: Statement.longWait
        case 20..<25: Statement.endlessWait
        case 25..<27: chance.oneIn(8) ? Statement.stubborn : chance.pick(Statement.catching)
        case 27..<30: Statement.copyIn
        default: Statement.copyOut
        }
    }

    /// A complete conversation after the startup.
    func conversation() -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<chance.below(6) { bytes += exchange() }
        if chance.oneIn(8) { return bytes + Frontend.terminate }
        if chance.oneIn(60) { bytes += chance.pick([message("!"), [UInt8(ascii: "Q"), 0, 0, 0, 3]]) }
        return bytes
    }

    private func exchange() -> [UInt8] {
        switch chance.below(12) {
        case 0..<5: return query()
        case 5..<8: return batch() + (chance.oneIn(6) ? Frontend.flush : Frontend.sync)
        case 8: return (0..<1 + chance.below(4)).flatMap { _ in batch() + Frontend.sync }
        case 9: return chance.oneIn(2) ? message("F", [statement(), 0]) : controlled()
        default: return (0..<1 + chance.below(4)).flatMap { _ in anything() }
        }
    }

    /// A transaction, or statements after a change of settings, each in its own request, or some in one.
    private func controlled() -> [UInt8] {
        var statements = (0..<1 + chance.below(3)).map { _ in chance.oneIn(3) ? statement() : Statement.noRows }
        if chance.oneIn(3) {
            statements.insert(Statement.set, at: chance.below(2))
        } else {
            statements.insert(Statement.begin, at: 0)
            if !chance.oneIn(6) { statements.append(chance.oneIn(4) ? Statement.rollback : Statement.commit) }
            if chance.oneIn(3) { statements.append(Statement.noRows) }
        }
        return statements.flatMap { statement in
            if chance.oneIn(3) { return parse(statement) + message("B", [0, 0]) + execute() + Frontend.sync }
            let text =
                chance.oneIn(8) ? Statement.text(of: statement) + Array(";n".utf8) : Statement.text(of: statement)
            return message("Q", text + [0])
        }
    }

    private func query() -> [UInt8] {
        var text: [UInt8] = []
        var copies: [UInt8] = []
        for _ in 0..<(chance.oneIn(4) ? chance.below(4) : 1) {
            text.append(statement())
            if text.last == Statement.copyIn, !chance.oneIn(8) { copies += copy() }
        }
        return message("Q", text + [0]) + copies
    }

    private func copy() -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<chance.below(3) { bytes += data() }
        if chance.oneIn(6) { bytes += Frontend.sync }
        if !chance.oneIn(6) { bytes += message(chance.oneIn(4) ? "f" : "c") }
        return bytes
    }

    /// Copy data, which may have a wrong line, or one for which a trigger waits.
    private func data() -> [UInt8] {
        if chance.oneIn(8) { return message("d", [UInt8(ascii: "!")]) }
        return message("d", [chance.oneIn(8) ? Statement.endlessWait : UInt8(ascii: "1"), 10])
    }

    private func batch() -> [UInt8] {
        let statement = statement()
        var bytes = parse(statement) + message("B", [0, 0])
        if chance.oneIn(2) { bytes += describe() }
        bytes += execute()
        if chance.oneIn(6) { bytes += execute() }
        if statement == Statement.copyIn { bytes += copy() }
        return bytes
    }

    private func parse(_ statement: UInt8) -> [UInt8] { message("P", [0] + Statement.text(of: statement) + [0]) }
    private func describe() -> [UInt8] { message("D", [UInt8(ascii: chance.oneIn(3) ? "S" : "P"), 0]) }
    private func execute() -> [UInt8] { message("E", [0, UInt8(chance.below(3))]) }

    private func anything() -> [UInt8] {
        switch chance.below(14) {
        case 0: parse(statement())
        case 1: message("B", [0, 0])
        case 2: describe()
        case 3: execute()
        case 4: message("C", [UInt8(ascii: "P"), 0])
        case 5: Frontend.flush
        case 6, 7: Frontend.sync
        case 8: data()
        case 9, 10: message(chance.oneIn(4) ? "f" : "c")
        case 11: message("F", [statement(), 0])
        default: query()
        }
    }

    // MARK: - The first packet

    static func startup(client: Int, isReplication: Bool) -> [UInt8] {
        packet(
            code: version(3, 0), parameters([("user", "u\(client)")] + (isReplication ? [("replication", "1")] : [])))
    }
}
