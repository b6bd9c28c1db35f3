// The address of cancels, which is the one that was dialled: not the path of the server's own socket, and without
// another name resolution.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A cancel goes to the address that was dialled` {
        @Test func `and not to the path that the server bound, where another process may listen`() throws {
            let postgres = try PrivatePostgres()
            let socket = "/.s.PGSQL.\(postgres.port)"
            let bound = postgres.socketFolder + socket
            // For example where the server's folder is mounted elsewhere: the same socket under another path, and
            // another socket at the path that getpeername(2) returns.
            let folder = RunFolder.shared.newFolder("moved")
            try #require(unsafe rename(bound, folder + socket) == 0)
            let other = try FakeServer(path: bound)
            unsafe chmod(bound, 0o777)
            let pgleash = try PgleashProcess(
                server: nil, configuration: ["server": ["host = \(folder)", "port = \(postgres.port)"]]
            )
            let client = try pgleash.connectBusy(name: "orphan", server: postgres)
            client.close()
            #expect(try postgres.timeUntilGone("orphan") < .seconds(1))
            #expect(try pgleash.reapedLine("orphan")["outcome"] == "cancelled")

            let living = try pgleash.connectBusy(name: "living", server: postgres)
            let cancel = try RawClient(port: pgleash.port)
            try cancel.send(Frontend.cancelRequest(living.key))
            let answer = try living.read(until: BackendKind.readyForQuery)
            #expect(answer.first { $0.kind == BackendKind.errorResponse }?.field("C") == "57014")
            #expect(!other.isCalled)
            pgleash.stop()
            unsafe unlink(bound)
        }

        @Test(.enabled(if: NetworkNamespace.isWanted, "this machine makes no namespaces"))
        func `also where it is a client's own, which needs no name`() throws {
            let postgres = PrivatePostgres.shared
            let hosts = try RunFolder.shared.newFile("hosts", "127.0.0.1 db.pgleash.invalid\n")
            let mount = "mount --bind \(hosts) /etc/hosts && exec \"$@\""
            let pgleash = try PgleashProcess(
                server: "db.pgleash.invalid:\(postgres.port)",
                launcher: [Programs.system("unshare"), "--mount", Programs.system("bash"), "-c", mount, "mounted"]
            )
            let client = try pgleash.connectBusy(name: "nameless")
            try "".write(toFile: hosts, atomically: false, encoding: .utf8)
            let time = try timed {
                let cancel = try RawClient(port: pgleash.port)
                try cancel.send(Frontend.cancelRequest(client.key))
                let answer = try client.read(until: BackendKind.readyForQuery)
                #expect(answer.first { $0.kind == BackendKind.errorResponse }?.field("C") == "57014")
            }
            print("a cancel without a name takes \([time].summary)")
            #expect(time < .seconds(1))

            // A cancel that needs a name resolution reports that it was not sent.
            let unknown = try RawClient(port: pgleash.port)
            try unknown.send(Frontend.cancelRequest([0, 0, 0, 1, 6, 6, 6, 6]))
            #expect(try unknown.readToEnd() == [])
            let line = try pgleash.waitForLogLines("cancel not sent").first ?? ""
            let reason = Report.fields(line)["reason"]
            #expect(reason?.contains("could not translate host name \"db.pgleash.invalid\"") == true)
            #expect(try pgleash.report()["client_cancels_failed_total"] == 1)
            pgleash.stop()
        }
    }
}
