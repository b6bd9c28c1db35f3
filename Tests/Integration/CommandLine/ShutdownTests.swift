// The shutdown of pgleash: orderly and in time, whatever its sessions do.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `When pgleash gets SIGTERM` {
        private let postgres = PrivatePostgres.shared

        @Test(arguments: [SIGTERM, SIGINT])
        func `a signal ends all sessions, cancels what runs, and ends pgleash within 5 seconds`(
            _ signal: Int32
        ) throws {
            let pgleash = try PgleashProcess()
            let idle = try pgleash.connect(name: "idle")
            let busy = try pgleash.connectBusy(name: "busy")
            let silent = try RawClient(port: pgleash.port)
            let stalled = try RawClient(port: pgleash.port, receiveBuffer: 4096)
            try stalled.startUp(name: "stalled")
            try stalled.send(Frontend.query("SELECT repeat('x', 1000), generate_series(1, 100000000)"))
            try postgres.waitForActive("stalled", event: "ClientWrite")
            try pgleash.waitForReport("four sessions") { $0["sessions_active"] == 4 }

            let time = try timed {
                pgleash.process.send(signal)
                for (client, sqlState) in [(idle, "57P01"), (busy, "57P01"), (silent, "57P03")] {
                    let message = try client.readMessage()
                    #expect(message.kind == BackendKind.errorResponse)
                    #expect(message.field("S") == "FATAL")
                    #expect(message.field("C") == sqlState)
                    #expect(try client.readToEnd() == [])
                    client.close()
                }
                #expect(try pgleash.process.wait(within: .seconds(8)) == .code(0))
            }
            print("ended by signal \(signal): \([time].summary)")
            #expect(time < .seconds(5))
            for name in ["idle", "busy", "stalled"] { #expect(try postgres.timeUntilGone(name) < .seconds(1)) }
            #expect(throws: RawClientError.failed(ECONNREFUSED)) { try RawClient(port: pgleash.port) }
            #expect(pgleash.logLines("msg=stopping").count == 1)
            #expect(try pgleash.reapedLine("busy")["drop"] == "shutdown")
            #expect(try pgleash.reapedLine("busy")["outcome"] == "cancelled")
        }

        @Test func `an idle pgleash ends at once`() throws {
            let pgleash = try PgleashProcess()
            #expect(try timeToEnd(pgleash) < .seconds(1))
        }

        @Test func `an orphan that won't go does not hold the end up for longer than 5 seconds`() throws {
            let pgleash = try PgleashProcess()
            let client = try pgleash.connectBusy(name: "stubborn")
            try whileStopped(client) {
                client.close()
                try pgleash.waitForReport("an orphan") { $0["orphans_active"] == 1 }
                #expect(try timeToEnd(pgleash) < .seconds(5))
                #expect(pgleash.log.contains("not all sessions ended in time"))
            }
            #expect(try postgres.timeUntilGone("stubborn") < .seconds(1))
        }

        @Test func `a second signal ends it at once`() throws {
            let pgleash = try PgleashProcess()
            let idle = try pgleash.connect(name: "idle")
            pgleash.process.send(SIGTERM)
            try wait(for: "the first signal") { pgleash.log.contains("stopping") }
            #expect(try timeToEnd(pgleash) < .milliseconds(500))
            withExtendedLifetime(idle) {}
        }

        @Test func `SIGPIPE and SIGHUP alone don't end it`() throws {
            let pgleash = try PgleashProcess()
            pgleash.process.send(SIGPIPE)
            pgleash.process.send(SIGHUP)
            try wait(for: "the word on SIGHUP") { pgleash.log.contains("nothing to reload") }
            #expect(try LibpqClient(port: pgleash.port).query("SELECT 1") == [["1"]])
            pgleash.stop()
        }

        /// The time from SIGTERM to the end, which must be orderly.
        private func timeToEnd(_ pgleash: PgleashProcess) throws -> Duration {
            try timed {
                pgleash.process.send(SIGTERM)
                try #require(try pgleash.process.wait(within: .seconds(8)) == .code(0))
            }
        }

        private static let canUnshare: Bool = {
            let run = try? ChildProcess.run(Programs.system("unshare"), ["--pid", "--fork", "true"])
            return run?.exit == .code(0)
        }()

        @Test(.enabled(if: canUnshare, "process namespaces need root or a kernel that lets others have them"))
        func `as the first process of a container it serves, cancels and ends on SIGTERM`() throws {
            let launcher = [Programs.system("unshare"), "--pid", "--fork", "--kill-child", "--mount-proc"]
            let pgleash = try PgleashProcess(launcher: launcher)
            let first = try firstProcess(of: pgleash)
            try pgleash.connectBusy(name: "contained").close()
            #expect(try postgres.timeUntilGone("contained") < .seconds(1))
            let idle = try pgleash.connect(name: "idle")
            // unshare itself passes no signal on.
            kill(first, SIGTERM)
            #expect(try idle.readMessage().field("C") == "57P01")
            idle.close()
            #expect(try pgleash.process.wait() == .code(0))
        }

        /// The child of unshare: 1 in its own namespace.
        private func firstProcess(of pgleash: PgleashProcess) throws -> pid_t {
            let parent = pgleash.process.pid
            let children = try #require(readText("/proc/\(parent)/task/\(parent)/children"))
            let child = try #require(children.split(separator: " ").first.flatMap { pid_t($0) })
            let status = try #require(readText("/proc/\(child)/status"))
            let line = status.split(separator: "\n").first { $0.hasPrefix("NSpid:") }
            #expect(line?.split(whereSeparator: \.isWhitespace).last == "1")
            return child
        }
    }
}
