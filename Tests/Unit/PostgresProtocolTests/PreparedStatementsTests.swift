// The statements of Binds and Executes, by the names that were prepared and bound before.

import PostgresProtocol
import Testing

@Suite struct `Prepared statements` {
    private func parse(_ name: String, _ text: String) -> [UInt8] { Array("\(name)\0\(text)\0\0\0".utf8) }
    private func bind(_ name: String, portal: String = "") -> [UInt8] { Array("\(portal)\0\(name)\0\0\0".utf8) }

    private func kind(_ name: String, in statements: PreparedStatements, portal: String = "") -> StatementKind {
        var statements = statements
        return statements.kind(boundBy: bind(name, portal: portal).span)
    }

    /// Prepares the statement at an idle server, which answers.
    private func prepare(
        _ name: String, _ text: String, in statements: inout PreparedStatements, isRefused: Bool = false
    ) {
        statements.parsed(parse(name, text).span, isFirst: true)
        statements.settle(hasFailed: isRefused)
    }

    @Test func `are known by name, and the unnamed one until the next`() {
        var statements = PreparedStatements()
        prepare("", "COMMIT", in: &statements)
        prepare("S_1", "ROLLBACK", in: &statements)
        #expect(kind("", in: statements) == .commit)
        #expect(kind("S_1", in: statements, portal: "C_1") == .rollback)
        #expect(kind("S_2", in: statements) == .ordinary)
        prepare("", "SELECT 1", in: &statements)
        #expect(kind("", in: statements) == .ordinary)
        prepare("S_1", "SELECT 1", in: &statements)
        #expect(kind("S_1", in: statements) == .ordinary, "the name means another one now")
    }

    @Test func `keep their kind where another Parse is refused`() {
        var statements = PreparedStatements()
        prepare("a", "COMMIT", in: &statements)
        statements.parsed(parse("a", "SELECT 1").span, isFirst: true)
        #expect(kind("a", in: statements) == .ordinary, "a Bind in the same batch is skipped if the Parse is refused")
        statements.synced()
        #expect(kind("a", in: statements) == .commit, "nobody knows yet")
        statements.settle(hasFailed: true)
        #expect(kind("a", in: statements) == .commit)
    }

    @Test func `keep their kind where another Parse may be skipped`() {
        var statements = PreparedStatements()
        prepare("", "COMMIT", in: &statements)
        statements.parsed(parse("", "SELECT 1").span, isFirst: false)
        #expect(kind("", in: statements) == .ordinary)
        statements.synced()
        #expect(kind("", in: statements) == .commit)
        var done = statements
        done.settle(hasFailed: false)
        #expect(kind("", in: done) == .ordinary)
        statements.settle(hasFailed: true)
        #expect(kind("", in: statements) == .commit)
        prepare("", "SELECT 1", in: &statements)
        #expect(kind("", in: statements) == .ordinary)
    }

    @Test func `are remembered up to a bound, and closed ones make room`() {
        var statements = PreparedStatements()
        for number in 0..<100 { prepare("S_\(number)", "COMMIT", in: &statements) }
        #expect((0..<100).filter { kind("S_\($0)", in: statements) == .commit } == Array(0..<64))
        statements.closed(Array("SS_7\0".utf8).span)
        #expect(kind("S_7", in: statements) == .commit, "the Close may be skipped")
        prepare("S_100", "COMMIT", in: &statements)
        #expect(kind("S_100", in: statements) == .commit)
        #expect(kind("S_7", in: statements) == .ordinary)
        prepare("S_0", "BEGIN", in: &statements)
        #expect(kind("S_0", in: statements) == .control)
        let long = String(repeating: "n", count: 64)
        var other = PreparedStatements()
        prepare(long, "COMMIT", in: &other)
        #expect(kind(long, in: other) == .ordinary)
    }

    @Test func `are known by their portals, until these are bound again or closed`() {
        var statements = PreparedStatements()
        prepare("q", "COMMIT", in: &statements)
        for portal in ["", "po"] {
            let execute = Array("\(portal)\0\0\0\0\0".utf8)
            #expect(statements.kind(executedBy: execute.span) == .ordinary)
            _ = statements.kind(boundBy: bind("q", portal: portal).span)
            #expect(statements.kind(executedBy: execute.span) == .commit)
            _ = statements.kind(boundBy: bind("other", portal: portal).span)
            #expect(statements.kind(executedBy: execute.span) == .ordinary)
        }
        _ = statements.kind(boundBy: bind("q", portal: "po").span)
        statements.closed(Array("Ppo\0".utf8).span)
        #expect(statements.kind(executedBy: Array("po\0\0\0\0\0".utf8).span) == .ordinary)
    }

    @Test func `say nothing of a message that is cut`() {
        var statements = PreparedStatements()
        statements.parsed(Array("name without an end".utf8).span, isFirst: true)
        prepare("", "COMMIT", in: &statements)
        #expect(statements.kind(boundBy: Array("portal".utf8).span) == .ordinary)
        #expect(statements.kind(boundBy: Array("portal\0name".utf8).span) == .ordinary)
        _ = statements.kind(boundBy: bind("").span)
        #expect(statements.kind(executedBy: Array("portal".utf8).span) == .ordinary)
        for cut in ["", "S", "Sname"] { statements.closed(Array(cut.utf8).span) }
        #expect(kind("", in: statements) == .commit)
    }
}
