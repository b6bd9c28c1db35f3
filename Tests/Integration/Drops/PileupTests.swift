// The pile-up that `make pileup` plots, for a few seconds: it occurs without pgleash, and not with it.

import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Backends of clients that left` {
        private static let workers = 2

        @Test func `pile up without pgleash, and with it there are never more than workers`() throws {
            let folder = RunFolder.shared.newFolder("pileup")
            let run = try ChildProcess.run(
                Programs.root + "/scripts/pileup",
                [
                    "--seconds", "12", "--workers", "\(Self.workers)", "--pgleash", Programs.pgleash,
                    "--output", folder,
                ],
                environment: ["TMPDIR": "/tmp"],
                within: .seconds(120)
            )
            #expect(run.exit == .code(0), "\(run.error)")
            print("pile-up with \(Self.workers) workers: \(run.output.split(separator: "\n").dropFirst().prefix(2))")

            let lines = (readText(folder + "/pileup.csv") ?? "").split(separator: "\n")
            #expect(lines.first == "seconds,without pgleash,with pgleash")
            let rows = lines.dropFirst().map { $0.split(separator: ",").compactMap { Double($0) } }
            try #require(rows.count == 49 && rows.allSatisfy { $0.count == 3 })
            // Within 12 s at least one generation of workers has reached its timeout of 2 s and left its queries.
            #expect(rows[48][1] >= Double(2 * Self.workers))
            // A new worker takes far longer to start than pgleash takes to reap the queries of the last one.
            #expect(rows.map { $0[2] }.max() == Double(Self.workers))
            #expect(rows.contains { $0[0] > 5 && $0[2] > 0 }, "the load went on")
            #expect(readText(folder + "/pileup.svg")?.hasSuffix("</svg>\n") == true)
        }
    }
}
