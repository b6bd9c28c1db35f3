// Repeated work of clients, to count the costs of one more repetition.

import Testing

/// Work that a real client does a given number of times.
enum Workload: String, CustomTestStringConvertible {
    case simpleTransaction = "simple transaction"
    case preparedTransaction = "prepared transaction"
    /// A connection that is opened and closed without a query.
    case connection = "connection"
    /// A megabyte of COPY out in rows so short that the header of each message determines the costs. With long rows
    /// each receive does, and the number of those depends on timing.
    case copiedMegabyte = "megabyte of COPY out"

    var testDescription: String { rawValue }

    /// Does it a number of times, over one connection unless it is about connections.
    func run(_ times: Int, through pgleash: PgleashProcess) throws {
        switch self {
        case .simpleTransaction: try pgbench("SELECT 1;", times, ["--protocol=simple"], pgleash)
        case .preparedTransaction: try pgbench("SELECT 1;", times, ["--protocol=prepared"], pgleash)
        case .connection: try pgbench("\\set nothing 0", times, ["--connect"], pgleash)
        case .copiedMegabyte:
            // The row is "1\n"; its CopyData has 5 bytes more.
            let copy = "COPY (SELECT 1 FROM generate_series(1, \(times * 1_000_000 / 7))) TO STDOUT"
            try run("psql", ["--no-psqlrc", "--quiet", "--output=/dev/null", "--command=\(copy)"], pgleash)
        }
    }

    private func pgbench(_ script: String, _ times: Int, _ options: [String], _ pgleash: PgleashProcess) throws {
        let file = try RunFolder.shared.newFile("script.sql", script + "\n")
        try run("pgbench", ["--no-vacuum", "--transactions=\(times)", "--file=\(file)"] + options, pgleash)
    }

    /// Returns when the sockets are closed, too.
    private func run(_ program: String, _ arguments: [String], _ pgleash: PgleashProcess) throws {
        let sockets = pgleash.sockets
        let run = try ChildProcess.run(
            Programs.postgres(program), arguments,
            environment: [
                "PGHOST": "127.0.0.1", "PGPORT": "\(pgleash.port)", "PGUSER": "postgres", "PGDATABASE": "postgres",
                "PGSSLMODE": "disable", "PGGSSENCMODE": "disable",
            ],
            within: .seconds(120)
        )
        guard run.exit == .code(0) else { throw TimedOut(description: "\(program): \(run.error)") }
        try wait(for: "the end of \(program)'s sessions") { pgleash.sockets == sockets }
    }
}

extension Workload {
    /// The additional counts of each repetition, by name. Single events, such as the beginning of the connection,
    /// cancel out.
    ///
    /// - Parameters:
    ///   - pgleash: serves no other client.
    ///   - few: the number of repetitions in the first count, and before that without a count: the first repetition
    ///     costs more.
    ///   - many: the number of repetitions in the second count.
    ///   - count: counts the events of pgleash during the call.
    func cost(
        of pgleash: PgleashProcess, few: Int, many: Int, _ count: (() throws -> Void) throws -> [String: Int]
    ) throws -> [String: Double] {
        // Before this it has its own connection.
        try pgleash.waitForProbe()
        try run(few, through: pgleash)
        let less = try count { try run(few, through: pgleash) }
        let more = try count { try run(many, through: pgleash) }
        let difference = more.merging(less.mapValues { -$0 }) { $0 + $1 }
        return difference.mapValues { Double($0) / Double(many - few) }
    }
}
