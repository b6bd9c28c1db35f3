// The file with the recorded costs of pgleash, and the comparison with the current ones.

import Foundation
import TestSupport

/// Costs by name.
struct RecordedCounts {
    /// Each architecture has its own instructions.
    #if arch(x86_64)
        private static let architecture = "x86_64"
    #elseif arch(arm64)
        private static let architecture = "aarch64"
    #endif

    static let path = "Tests/Data/Recorded/counts.\(architecture).txt"
    private static let file = Programs.root + "/" + path

    /// Whether costs are recorded and not compared; `make record-counts` requests this.
    static let isRecording = ProcessInfo.processInfo.environment["PGLEASH_RECORD_COUNTS"] != nil

    /// The relative difference that counts as no change.
    private static let tolerance = 0.1

    private var costs: [String: Double] = [:]

    init(parsing text: String) {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let match = line.wholeMatch(of: /(.+?) +([\d.]+)/) else { continue }
            costs[String(match.1)] = Double(match.2)
        }
    }

    /// The contents of the file; empty where there is none.
    static func read() -> RecordedCounts { RecordedCounts(parsing: readText(file) ?? "") }

    /// The error about a cost, or nil.
    func objection(to cost: Double, _ name: String) -> String? {
        guard let recorded = costs[name] else {
            return "\(name): none recorded in \(Self.path); `make record-counts` does it"
        }
        guard abs(cost - recorded) > recorded * Self.tolerance else { return nil }
        let verdict = cost > recorded ? "worse" : "better, so let `make record-counts` record it"
        return "\(name): \(Self.text(cost)) where \(Self.path) has \(Self.text(recorded)): \(verdict)"
    }

    mutating func record(_ cost: Double, _ name: String) throws {
        costs[name] = cost
        let lines = costs.sorted { $0.key < $1.key }.map { name, cost in
            name.padding(toLength: 40, withPad: " ", startingAt: 0) + Self.text(cost) + "\n"
        }
        let text = try Self.heading() + lines.joined()
        try text.write(toFile: Self.file, atomically: true, encoding: .utf8)
    }

    private static func text(_ cost: Double) -> String { String(format: "%.0f", cost) }

    private static func heading() throws -> String {
        let swift = try ChildProcess.run(Programs.system("swift"), ["--version"]).output
        let version = swift.firstMatch(of: /Swift version ([\d.]+)/).map { String($0.1) } ?? "?"
        let libc = try ChildProcess.run(Programs.system("getconf"), ["GNU_LIBC_VERSION"]).output.dropLast()
        return """
            # What one of each costs the release build on \(architecture): `make record-counts` writes it, and
            # `make test` fails at a tenth more or less. Recorded with Swift \(version) and \(libc); other versions of
            # these, of libevent and of PostgreSQL may cost something else. The processor hardly matters: valgrind
            # shows programs one of its own, and less than a thousandth is in what glibc has in several variants.

            """
    }
}
