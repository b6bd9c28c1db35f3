// The kind of a statement, which its first word determines if the message has only this statement.

import PostgresProtocol
import TestSupport
import Testing

private func kind(_ text: String, isReadWhole: Bool = false) -> StatementKind {
    StatementKind(ofQuery: Array("\(text)\0".utf8.prefix(StatementKind.longestText)).span, isReadWhole: isReadWhole)
}

@Suite struct `The kind of a statement` {
    @Test(arguments: [
        "BEGIN", "begin work", "Begin;", "START TRANSACTION READ ONLY", "SAVEPOINT a", "RELEASE a", "SET a = 1",
        "SET LOCAL a TO 'x;y'", "RESET ALL", "DISCARD ALL", "LISTEN a", "UNLISTEN *", "DEALLOCATE ALL", " \t\r\n BEGIN",
        "-- a comment\nBEGIN", "-- a comment\rBEGIN", "/* a /* nested */ comment */ BEGIN",
        "; ;BEGIN ; ; -- nothing more", "SET a = \"b;c\"",
        "BEGIN/**/", "BEGIN--", "BEGIN -- ; SELECT 1",
    ]) func `is control for what controls a transaction or a session`(text: String) {
        #expect(kind(text) == .control)
        #expect(kind(text, isReadWhole: true) == .control)
    }

    @Test(arguments: [
        "COMMIT", "commit and chain", "END", "end;", "END TRANSACTION", "PREPARE TRANSACTION 'a'",
        "prepare /* */ transaction 'a'", "COMMIT PREPARED 'a'",
    ]) func `is commit for what makes changes last`(text: String) { #expect(kind(text) == .commit) }

    @Test(arguments: ["ROLLBACK", "rollback to a", "ABORT", "ROLLBACK PREPARED 'a'"])
    func `is rollback for what takes them back`(text: String) { #expect(kind(text) == .rollback) }

    @Test(arguments: [
        "", " ", ";", "SELECT 1", "select 1", "INSERT INTO a VALUES (1)", "SETTINGS", "set_config", "ENDING", "BEGINS",
        "COMMITTED", "BEGIN2", "BEGIN_", "BEGIN$", "SETä", "PREPARE a AS SELECT 1", "PREPARE", "PREPARED", "(SELECT 1)",
        "-- COMMIT", "-", "/", "SE", "EN", "- COMMIT", "WITH a AS (SELECT 1) SELECT 1",
    ]) func `is ordinary for all others`(text: String) {
        #expect(kind(text) == .ordinary)
        #expect(kind(text, isReadWhole: true) == .ordinary)
    }

    @Test(arguments: [
        "BEGIN; SELECT 1", "COMMIT;SELECT 1", "SET a = 'b'; SELECT 1", "SET a = E'\\''; SELECT 1",
        "BEGIN;/* */SELECT 1",
        "ROLLBACK -- \n; SELECT 1",
    ]) func `is several where the message has more than that`(text: String) {
        #expect(kind(text) == .several)
    }

    @Test func `is several for others where it matters and all is read`() {
        #expect(kind("UPDATE a; COMMIT") == .ordinary)
        #expect(kind("UPDATE a; COMMIT", isReadWhole: true) == .several)
        #expect(kind("UPDATE a SET b = ';'", isReadWhole: true) == .ordinary)
    }

    @Test func `is in doubt where the text is longer than what is looked at`() {
        let long = String(repeating: "a", count: StatementKind.longestText)
        #expect(kind("SET a = '\(long)'") == .several)
        #expect(kind("SELECT '\(long)'") == .ordinary)
        #expect(kind("SELECT '\(long)'", isReadWhole: true) == .several)
        #expect(kind("/*\(long)*/ COMMIT") == .ordinary)
        #expect(kind("/* COMMIT") == .ordinary)
    }

    @Test func `never traps, whatever the bytes`() {
        var generator = SeededGenerator(seed: UInt64.random(in: 0 ... .max))
        let pieces = ["BEGIN", "end", "/*", "*/", "--", "\n", ";", "'", "\"", "\\", "\0", " ", "é", "prepare"]
        for _ in 0..<10_000 {
            let text = (0..<Int.random(in: 0...8, using: &generator)).map { _ in
                pieces.randomElement(using: &generator) ?? ""
            }
            let bytes = Array(text.joined().utf8)
            _ = StatementKind(ofQuery: bytes.span, isReadWhole: true)
            _ = StatementKind(ofParsed: bytes.span)
        }
    }
}
