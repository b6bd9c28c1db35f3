// A server that is pgleash itself, which would connect to itself without end.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A server that is pgleash itself` {
        private static let errorMessage = "[server] host and port are those that pgleash itself listens on"

        @Test(arguments: [
            ("*", "127.0.0.1"), ("127.0.0.1", "localhost"), ("localhost", "127.0.0.1"), ("0.0.0.0", "127.0.0.7"),
            ("127.0.0.1", "0.0.0.0"), ("/tmp", "/tmp/"),
        ])
        func `is a bad configuration, however it is spelt`(listen: String, server: String) throws {
            let port = try freePort()
            let text = "[listen]\nhost = \(listen)\nport = \(port)\n[server]\nhost = \(server)\nport = \(port)\n"
            let file = try RunFolder.shared.newFile("loop.conf", text)
            for more in [[], ["--check-config"], ["--ping"]] {
                let run = try ChildProcess.run(Programs.pgleash, ["--config", file] + more)
                #expect(run.exit == .code(78))
                #expect(run.error.hasSuffix("pgleash: \(file):5: \(Self.errorMessage)\n"))
            }
        }

        @Test(.enabled(if: NetworkNamespace.isWanted, "network namespaces need root"))
        func `is one by an address of this machine's interfaces`() throws {
            let namespace = try NetworkNamespace()
            let file = try RunFolder.shared.newFile("empty.conf", "# nothing\n")
            let port = try freePort()
            let run = try ChildProcess.run(
                Programs.pgleash,
                ["--config", file, "--listen", "0.0.0.0:\(port)", "--server", "\(namespace.hostAddress):\(port)"]
            )
            #expect(run.exit == .code(78))
            #expect(run.error.hasSuffix("pgleash: option --server: \(Self.errorMessage)\n"))
        }

        // MARK: By a name

        /// A command that runs a program with its own hosts file.
        private static func launcher(hosts: String) -> [String] {
            let script = #"mount --bind "$0" /etc/hosts && exec "$@""#
            return [Programs.system("unshare"), "--mount", Programs.system("sh"), "-c", script, hosts]
        }

        private static let canMount: Bool = {
            let command = launcher(hosts: "/etc/hosts") + ["true"]
            return (try? ChildProcess.run(command[0], Array(command.dropFirst())))?.exit == .code(0)
        }()

        @Test(.enabled(if: canMount, "namespaces need root or a kernel that lets others have them"))
        func `by a name ends pgleash as soon as the name is resolved`() throws {
            let hosts = try RunFolder.shared.newFile("hosts", "127.0.0.3 db.test\n")
            let file = try RunFolder.shared.newFile("empty.conf", "# nothing\n")
            let port = try freePort()
            let command =
                Self.launcher(hosts: hosts)
                + [Programs.pgleash, "--config", file, "--listen", "0.0.0.0:\(port)", "--server", "db.test:\(port)"]
            let pgleash = try ChildProcess(command[0], Array(command.dropFirst()))
            #expect(try pgleash.wait() == .code(78))
            #expect(pgleash.errorOutput.contains(" level=critical msg=\"option --server: \(Self.errorMessage)\"\n"))
        }

        @Test(.enabled(if: canMount, "namespaces need root or a kernel that lets others have them"))
        func `by a name that changes is an error for each client, and nothing chains`() throws {
            let hosts = try RunFolder.shared.newFile("hosts", "127.0.0.3 db.test\n")
            let pgleash = try PgleashProcess(
                server: nil, configuration: ["server": ["host = db.test", "port = PORT"]],
                launcher: Self.launcher(hosts: hosts)
            )
            // No server was there until now.
            try pgleash.waitForProbe()
            try "127.0.0.1 db.test\n".write(toFile: hosts, atomically: false, encoding: .utf8)
            for _ in 1...3 {
                let client = try RawClient(port: pgleash.port)
                try client.send(Frontend.startup(name: "looped"))
                let error = try client.readMessage()
                #expect(error.field("C") == "57P03")
                let reason = "could not connect to server at \(pgleash.address): pgleash itself listens there"
                #expect(error.field("M") == reason)
                client.close()
            }
            let cancel = try RawClient(port: pgleash.port)
            try cancel.send(Frontend.cancelRequest(int32(1) + int32(2)))
            #expect(try cancel.readToEnd() == [])
            let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
            #expect(report["sessions_opened_total"] == 4)
            #expect(try pgleash.waitForLogLines("pgleash itself listens there", count: 4).count == 4)
            pgleash.stop()
        }
    }
}
