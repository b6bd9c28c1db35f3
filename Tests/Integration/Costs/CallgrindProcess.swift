// A pgleash under valgrind's callgrind, which counts its instructions and its calls of malloc: nearly the same in each
// run, however busy the machine is.

import Foundation
import TestSupport

/// A running pgleash, and its costs.
final class CallgrindProcess {
    /// The counted events.
    static let instructions = "instructions"
    static let allocations = "allocations"

    let pgleash: PgleashProcess
    /// Callgrind appends the number of the dump.
    private let file: String
    private let pipes: String
    private var dumps = 0

    /// - Parameter program: a pgleash, which runs with one worker.
    init(_ program: String) throws {
        let folder = RunFolder.shared.newFolder("callgrind")
        (file, pipes) = (folder + "/counts", folder + "/vgdb")
        pgleash = try PgleashProcess(
            // The costs of requesting TLS are not counted.
            server: PrivatePostgres.shared.address, configuration: ["server": ["sslmode = disable"]],
            arguments: ["--workers=1"],
            launcher: [
                Programs.system("valgrind"), "--tool=callgrind", "--compress-strings=no",
                "--callgrind-out-file=\(file)", "--vgdb-prefix=\(pipes)",
            ],
            program: program
        )
    }

    /// The costs of pgleash during `body`.
    func count(during body: () throws -> Void) throws -> [String: Int] {
        _ = try dump()
        try body()
        return Self.parse(try dump())
    }

    /// Makes callgrind write its counts since the last time.
    private func dump() throws -> String {
        let vgdb = try ChildProcess(
            Programs.system("vgdb"), ["--vgdb-prefix=\(pipes)", "--pid=\(pgleash.process.pid)", "dump"]
        )
        let exit = try? vgdb.wait()
        dumps += 1
        guard exit == .code(0), let text = readText("\(file).\(dumps)") else {
            throw TimedOut(description: "no counts from vgdb, which needs ptrace(2): \(vgdb.output)\(vgdb.errorOutput)")
        }
        return text
    }

    /// `totals:` contains the instructions. `calls=` is the number of calls of the function in the `cfn=` line above it
    /// from one place.
    private static func parse(_ dump: String) -> [String: Int] {
        var counts = [instructions: 0, allocations: 0]
        var isAllocator = false
        for line in dump.split(separator: "\n") {
            if let name = line.value(of: "cfn=") {
                isAllocator = allocators.contains(name)
            } else if isAllocator, let calls = line.value(of: "calls=") {
                counts[allocations, default: 0] += calls.split(separator: " ").first.flatMap { Int($0) } ?? 0
            } else if let total = line.value(of: "totals: ") {
                counts[instructions] = Int(total)
            }
        }
        return counts
    }

    private static let allocators: Set<Substring> = [
        "malloc", "calloc", "realloc", "aligned_alloc", "memalign", "posix_memalign",
    ]
}

extension Substring {
    /// The text after `key`, if the line begins with it.
    fileprivate func value(of key: String) -> Substring? { hasPrefix(key) ? dropFirst(key.count) : nil }
}
