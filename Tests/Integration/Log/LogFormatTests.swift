// The formats of the log, each read by a parser of another project.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `The log` {
        /// A pgleash that has reaped an orphan of a session with a name that needs escapes.
        private func lines(_ format: String) throws -> [String] {
            let pgleash = try PgleashProcess(arguments: ["--log-format", format])
            let client = try pgleash.connect(name: "two words")
            try client.send(Frontend.query("SELECT pg_sleep(600)"))
            try PrivatePostgres.shared.waitForActive("two words", event: "PgSleep")
            client.close()
            try wait(for: "the line about the orphan") { pgleash.log.contains("orphan reaped") }
            pgleash.stop()
            return pgleash.log.split(separator: "\n").map(String.init)
        }

        private static let fields = [
            "client", "user", "database", "application_name", "server", "pid", "drop", "query_ms", "reap_ms",
            "attempts", "outcome",
        ]

        @Test func `is JSON where it is to be`() throws {
            let objects = try lines("json").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            let orphan = try #require(objects.first { $0["msg"] as? String == "orphan reaped" })
            #expect(Set(orphan.keys) == Set(Self.fields + ["time", "level", "msg"]))
            #expect(orphan["application_name"] as? String == "two words")
            #expect(orphan["pid"] is Int)
            #expect((orphan["reap_ms"] as? Double).map { $0 > 0 } == true)
        }

        @Test func `is logfmt where it is to be`() throws {
            let file = try RunFolder.shared.newFile("log.logfmt", lines("logfmt").joined(separator: "\n") + "\n")
            let program = """
                import json, logfmt, sys
                for line in logfmt.parse(open(sys.argv[1])): print(json.dumps(line))
                """
            let python = "\(Programs.root)/.build/parsers/bin/python"
            let run = try ChildProcess.run(python, ["-c", program, file])
            #expect(run.exit == .code(0), "\(run.error)")
            let objects = try run.output.split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
            }
            let orphan = try #require(objects.first { $0["msg"] == "orphan reaped" })
            #expect(Set(orphan.keys) == Set(Self.fields + ["time", "level", "msg"]))
            #expect(orphan["application_name"] == "two words")
            #expect(orphan["level"] == "info")
        }

        @Test func `has the journal's priorities where it is to be, and no time`() throws {
            let lines = try lines("journal")
            #expect(lines.allSatisfy { $0.contains(/^<[2-7]>[^ ]/) })
            #expect(lines.contains { $0.hasPrefix("<6>orphan reaped client=") })
        }

        @Test func `is for people where it is to be, with milliseconds and zone`() throws {
            let line = try #require(try lines("text").first { $0.contains(" info orphan reaped client=") })
            #expect(line.contains(#/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z info orphan /#))
            let names = line.matches(of: /([a-z_]+)=/).map { String($0.1) }
            #expect(names == Self.fields)
        }

        @Test func `is logfmt in a pipe or file, text on a terminal`() throws {
            let pgleash = try PgleashProcess()
            #expect(pgleash.log.hasPrefix("time="))
            pgleash.stop()
            let port = try freePort()
            let terminal = try Terminal()
            let words = ["--listen", "127.0.0.1:\(port)", "--server", PrivatePostgres.shared.address]
            let shown = try ChildProcess(Programs.pgleash, words, terminal: terminal)
            let text = try terminal.wait(for: " started ")
            #expect(text.contains("Z notice pgleash "))
            shown.kill()
        }

        @Test func `is the journal's where standard error is the journal`() throws {
            // systemd.exec(5): device and inode of standard error.
            let script = #"JOURNAL_STREAM=$(stat --dereference --format=%d:%i /proc/self/fd/2) exec "$@""#
            let pgleash = try PgleashProcess(launcher: [Programs.system("sh"), "-c", script, "sh"])
            #expect(pgleash.log.contains(#/(^|\n)<5>pgleash [0-9.]+ started /#))
            pgleash.stop()
        }
    }
}
