// What clients do again and again, for counting what one more time of it costs pgleash.

import Testing

/// Something a real client does a given number of times.
enum Workload: String, CustomTestStringConvertible {
    case simpleTransaction = "simple transaction"
    case preparedTransaction = "prepared transaction"
    /// A connection that is opened and closed, and used for nothing else.
    case connection = "connection"
    /// A megabyte of COPY out in rows so short that each message's header is what costs. With long rows it is each
    /// receive, and how many of those there are is a matter of time.
    case copiedMegabyte = "megabyte of COPY out"

    var testDescription: String { rawValue }

    /// Does it so many times, over one connection where it is not about connections.
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
    /// What is counted each time more, by name. What comes once, such as the connection's beginning, cancels out.
    ///
    /// - Parameters:
    ///   - pgleash: serves nobody else.
    ///   - few: how many times it is done first, and before that uncounted: the first time ever costs more.
    ///   - many: how many times it is done then.
    ///   - count: counts what pgleash does during the call.
    func cost(
        of pgleash: PgleashProcess, few: Int, many: Int, _ count: (() throws -> Void) throws -> [String: Int]
    ) throws -> [String: Double] {
        // Until then it has a connection of its own.
        try pgleash.waitForProbe()
        try run(few, through: pgleash)
        let less = try count { try run(few, through: pgleash) }
        let more = try count { try run(many, through: pgleash) }
        let difference = more.merging(less.mapValues { -$0 }) { $0 + $1 }
        return difference.mapValues { Double($0) / Double(many - few) }
    }
}
