// Random sequences of frontend messages, from a seed: those that drivers send, and those that no driver would.

import TestSupport

/// One message of a random conversation.
struct Move {
    /// Its text in a failure's message.
    let name: String
    let bytes: [UInt8]
}

/// Draws messages. They refer to a table `copied (n integer)`.
struct RandomConversation {
    var generator: SeededGenerator

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
    }

    private static let statements = [
        "", " ", "SELECT 1", "SELECT n FROM generate_series(1, 5) n", "SELECT 1/0", "syntax error", "BEGIN", "COMMIT",
        "ROLLBACK",
        "SELECT pg_sleep(0.002)", "SET application_name = 'x'", "COPY copied FROM STDIN", "COPY copied TO STDOUT",
        "COPY nowhere FROM STDIN", "SAVEPOINT s", "ROLLBACK TO s",
    ]

    private static let scripts = [
        "SELECT 1; SELECT 2", "SELECT 1; SELECT 1/0; SELECT 2", "COPY copied FROM STDIN; SELECT 1", "BEGIN; SELECT 1/0",
        "COPY copied FROM STDIN; COPY copied FROM STDIN", "SELECT 1;; SELECT 2", "COPY copied TO STDOUT; SELECT 1/0",
    ]

    private static let moves: [(weight: Int, draw: @Sendable (inout SeededGenerator) -> Move)] = [
        (6, { query(statements + scripts, &$0) }),
        (4, { parse(&$0) }),
        (3, { bind(&$0) }),
        (2, { describe(&$0) }),
        (4, { execute(&$0) }),
        (1, { _ in Move(name: "Close", bytes: Frontend.closeStatement("s")) }),
        (1, { _ in Move(name: "Flush", bytes: Frontend.flush) }),
        (5, { _ in Move(name: "Sync", bytes: Frontend.sync) }),
        (3, { batch(&$0) }),
        (2, { copyData(&$0) }),
        (3, { _ in Move(name: "CopyDone", bytes: Frontend.copyDone) }),
        (1, { _ in Move(name: "CopyFail", bytes: Frontend.copyFail("no")) }),
        (2, { call(&$0) }),
    ]

    /// The next message.
    mutating func next() -> Move {
        var ticket = Int.random(in: 0..<Self.moves.reduce(0) { $0 + $1.weight }, using: &generator)
        for (weight, draw) in Self.moves {
            if ticket < weight { return draw(&generator) }
            ticket -= weight
        }
        return Move(name: "Sync", bytes: Frontend.sync)
    }

    private static func pick(_ list: [String], _ generator: inout SeededGenerator) -> String {
        list[Int.random(in: 0..<list.count, using: &generator)]
    }

    private static func query(_ list: [String], _ generator: inout SeededGenerator) -> Move {
        let sql = pick(list, &generator)
        return Move(name: "Query(\(sql))", bytes: Frontend.query(sql))
    }

    private static func parse(_ generator: inout SeededGenerator) -> Move {
        let (sql, name) = (pick(statements, &generator), pick(["", "s"], &generator))
        return Move(name: "Parse(\(name): \(sql))", bytes: Frontend.parse(sql, statement: name))
    }

    private static func bind(_ generator: inout SeededGenerator) -> Move {
        let name = pick(["", "s", "unknown"], &generator)
        return Move(name: "Bind(\(name))", bytes: Frontend.bind(statement: name))
    }

    private static func describe(_ generator: inout SeededGenerator) -> Move {
        if Bool.random(using: &generator) { return Move(name: "Describe(portal)", bytes: Frontend.describe()) }
        return Move(name: "Describe(statement s)", bytes: message("D", Array("Ss\0".utf8)))
    }

    private static func execute(_ generator: inout SeededGenerator) -> Move {
        let rows = Int.random(in: 0...2, using: &generator)
        return Move(name: "Execute(\(rows))", bytes: Frontend.execute(rows: rows))
    }

    /// The most frequent messages of drivers: a complete batch.
    private static func batch(_ generator: inout SeededGenerator) -> Move {
        let sql = pick(statements, &generator)
        return Move(name: "Batch(\(sql))", bytes: Frontend.extended(sql) + Frontend.sync)
    }

    private static func copyData(_ generator: inout SeededGenerator) -> Move {
        let text = pick(["1\n", "not a number\n", ""], &generator)
        return Move(name: "CopyData(\(text.debugDescription))", bytes: Frontend.copyData(text))
    }

    private static func call(_ generator: inout SeededGenerator) -> Move {
        // int4pl, with two arguments and with one too few.
        let arguments = Array(repeating: int32(2), count: Int.random(in: 1...2, using: &generator))
        return Move(name: "FunctionCall(\(arguments.count))", bytes: Frontend.functionCall(177, arguments))
    }
}
