// The live page in a real browser. Tests/Data/Programs/page_check.py has what is checked.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `The live page` {
        @Test func `works in Chromium, with 10,000 sessions, hostile names, by keyboard, in a narrow window`() throws {
            let monitored = try MonitoredPgleash()
            // Its server is the program: it never answers, so that clients can have any name.
            let serverPort = try freePort()
            let silent = try MonitoredPgleash(
                server: "127.0.0.1:\(serverPort)",
                configuration: ["listen": ["authentication_timeout = 10min"], "server": ["sslmode = disable"]]
            )
            var ports: [String] = []
            for part in [monitored, silent] {
                ports += ["http://127.0.0.1:\(part.httpPort)/", "\(part.pgleash.port)"]
            }
            let check = try ChildProcess.run(
                Programs.debian("python3"),
                ["-B", "\(Programs.sources)/page_check.py"] + ports + ["\(serverPort)"],
                within: .seconds(240)
            )
            #expect(check.exit == .code(0), "\(check.output)\(check.error)")
            #expect(check.error.hasSuffix("\nOK\n"))
            monitored.pgleash.stop()
            silent.pgleash.stop()
        }
    }
}
