// Clients that have sent more than their server reads, pgleash may keep and the kernels hold: the end of those that die
// is detected on the same machine, and those that wait are not disturbed.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `A client with more unsent than may be read ahead` {
        enum Way: String, CaseIterable, CustomTestStringConvertible {
            case ipv4 = "127.0.0.1"
            case encrypted = "127.0.0.1 with TLS"
            case ipv6 = "::1"
            case mapped = "::ffff:127.0.0.1"
            case machine = "another address of the machine"
            case unix = "Unix socket"

            var testDescription: String { rawValue }
        }

        private let postgres = PrivatePostgres.shared
        /// More than pgleash keeps, 64 MB, and the two kernels, of which one may take 32 MB.
        private static let size = 160_000_000

        /// A pgleash that listens on all of these.
        private func start(_ folder: String, _ lines: [String] = []) throws -> PgleashProcess {
            let files = Certificates.shared
            let listen = [
                "host = *, \(folder)", "port = PORT", "sslmode = allow", "ssl_cert_file = \(files[.right])",
                "ssl_key_file = \(files.serverKey)",
            ]
            return try PgleashProcess(
                server: postgres.address, listen: nil, configuration: ["listen": listen, "cancel": lines]
            )
        }

        /// A process that blocks in a send.
        private func start(_ way: Way, to host: String, _ pgleash: PgleashProcess) throws -> ChildProcess {
            let client = try ChildProcess(
                Programs.debian("python3"),
                [
                    "\(Programs.sources)/unsent_client.py", host, "\(pgleash.port)",
                    way == .encrypted ? "encrypted" : "plain", way.rawValue, "\(Self.size)",
                ]
            )
            try postgres.waitForActive(way.rawValue, event: "PgSleep")
            try waitUntilNothingMoves(pgleash)
            #expect(client.isRunning, "it has sent all, or failed: \(client.errorOutput)")
            return client
        }

        /// pgleash has received from its clients as much as it takes.
        private func waitUntilNothingMoves(_ pgleash: PgleashProcess) throws {
            var (count, since) = (-1, ContinuousClock.now)
            try wait(for: "an end of what pgleash takes", within: .seconds(60), pause: .milliseconds(100)) {
                let now = try pgleash.report()["received_bytes_total", "client"]
                if now != count { (count, since) = (now, .now) }
                return count > 100_000 && since.duration(to: .now) > .milliseconds(1500)
            }
        }

        private func check(_ way: Way, host: String, _ lines: [String] = []) throws {
            let folder = RunFolder.shared.newFolder("unsent")
            let pgleash = try start(folder, lines)
            let path = "\(folder)/.s.PGSQL.\(pgleash.port)"
            let client = try start(way, to: way == .unix ? path : host, pgleash)
            #expect(try pgleash.report().sum("drops_total") == 0)
            client.kill()
            let time = try postgres.timeUntilGone(way.rawValue)
            print("160 MB unsent over \(way.rawValue), \(lines): gone after \([time].summary)")
            #expect(time < .milliseconds(2500))
            #expect(try pgleash.reapedLine(way.rawValue)["drop"] == "fin")
            pgleash.stop()
        }

        @Test(arguments: [Way.ipv4, .encrypted, .ipv6, .mapped, .unix])
        func `leaves no orphan when it is killed`(_ way: Way) throws {
            try check(way, host: way == .encrypted ? "127.0.0.1" : way.rawValue)
        }

        @Test func `leaves none where nothing is read ahead`() throws {
            try check(.ipv4, host: "127.0.0.1", ["read_ahead = 0"])
        }

        @Test(.enabled(if: NetworkNamespace.isWanted, "a network namespace can't be made here; root can"))
        func `leaves none over an address of the machine that is not a loopback address`() throws {
            let namespace = try NetworkNamespace()
            try check(.machine, host: namespace.hostAddress)
        }

        /// All the messages differ.
        private static let bytes: [UInt8] = (0..<300_000).flatMap { number in
            message("d", int32(number) + (0..<100).map { UInt8(truncatingIfNeeded: number &+ $0) })
        }

        @Test(arguments: [false, true])
        func `is left alone while it waits in a send for long, and all of its bytes arrive`(
            isEncrypted: Bool
        ) throws {
            let server = try FakeServer(receiveBuffer: 4096)
            let files = Certificates.shared
            let listen = [
                "sslmode = allow", "ssl_cert_file = \(files[.right])", "ssl_key_file = \(files.serverKey)",
            ]
            let pgleash = try PgleashProcess(
                server: server.address, configuration: ["listen": listen, "cancel": ["read_ahead = 1MB"]]
            )
            try server.acceptProbe()
            nonisolated(unsafe) let client = try RawClient(port: pgleash.port)
            if isEncrypted { try unsafe client.encrypt() }
            try unsafe client.send(Frontend.startup(name: "patient"))
            nonisolated(unsafe) let accepted = try server.acceptSession()
            try unsafe client.read(until: BackendKind.readyForQuery)
            let sender = ParallelTask { try unsafe client.send(Self.bytes) }
            rest(.seconds(7))
            let report = try pgleash.report()
            #expect(report["sessions_active"] == 1 && report.sum("drops_total") == 0)
            #expect(report["received_bytes_total", "client"] < Self.bytes.count, "it doesn't wait")
            #expect(try unsafe accepted.readBytes(Self.bytes.count) == Self.bytes)
            try sender.join()
            pgleash.process.kill()
        }
    }
}
