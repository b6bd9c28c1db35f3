// A reader of the log that does not read.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A reader of the log that is stopped` {
        private static let lines = ["log_connections = on", "log_disconnections = on", "workers = 2"]

        /// A pgleash whose standard error is a pipe to cat.
        private func start() throws -> (PgleashProcess, reader: pid_t) {
            let file = RunFolder.shared.newPath("reader.pid")
            let script = #"file=$0; exec "$@" 2> >(echo $BASHPID >"$file"; exec cat >&2)"#
            let pgleash = try PgleashProcess(
                configuration: ["pgleash": Self.lines], launcher: [Programs.system("bash"), "-c", script, file]
            )
            let reader = try wait(for: "the reader") { readText(file).flatMap { Int32($0.dropLast()) } }
            return (pgleash, reader)
        }

        /// Connects and leaves until more has been logged than a pipe and the buffer hold.
        private func fill(_ pgleash: PgleashProcess) throws {
            try wait(for: "lines that are lost", within: .seconds(60)) {
                for _ in 0..<100 { try pgleash.connect(name: String(repeating: "n", count: 60)).leave(.terminate) }
                return try pgleash.report()["log_lines_dropped_total"] > 100
            }
        }

        private func timeOfOrphans(_ pgleash: PgleashProcess, _ name: String) throws -> Duration {
            let clients = try (0..<16).map { try pgleash.connectBusy(name: "\(name)-\($0)") }
            let start = ContinuousClock.now
            for client in clients { client.close() }
            try wait(for: "the end of the orphans") {
                try PrivatePostgres.shared.count("application_name LIKE '\(name)-%' AND state = 'active'") == 0
            }
            return start.duration(to: .now)
        }

        @Test func `stops neither sessions nor cancels, and what it missed is counted and said`() throws {
            let (pgleash, reader) = try start()
            let workers = try (0..<64).map { _ in try LibpqClient(port: pgleash.port) }
            let before = try timeOfOrphans(pgleash, "read")
            kill(reader, SIGSTOP)
            try fill(pgleash)
            for worker in workers { #expect(try worker.query("SELECT 1") == [["1"]]) }
            let during = try timeOfOrphans(pgleash, "unread")
            print("16 orphans ended in \(before.milliseconds) ms, without a reader in \(during.milliseconds) ms")
            #expect(during < max(before * 3, .milliseconds(300)))
            for worker in workers { #expect(try worker.query("SELECT 1") == [["1"]]) }
            let lost = try pgleash.report()["log_lines_dropped_total"]
            #expect(lost > 100)
            kill(reader, SIGCONT)
            let said = try wait(for: "the line about lost lines") {
                let lines = pgleash.logLines("log lines dropped")
                let sum = lines.compactMap { Int(Report.fields($0)["lines"] ?? "") }.reduce(0, +)
                return sum >= lost ? sum : nil
            }
            #expect(said == (try pgleash.report()["log_lines_dropped_total"]))
            // The orphans are among the lines that were kept.
            try wait(for: "the last lines") {
                pgleash.logLines("orphan reaped").filter { $0.contains("application_name=unread-") }.count == 16
            }
            pgleash.stop()
        }

        @Test func `holds up the end of the process for half a second at most`() throws {
            let (pgleash, reader) = try start()
            kill(reader, SIGSTOP)
            try fill(pgleash)
            let start = ContinuousClock.now
            pgleash.stop()
            #expect(start.duration(to: .now) < .seconds(2))
            kill(reader, SIGKILL)
        }
    }
}
