// The files that are written from the tables of settings and metrics.

import Foundation
import Settings
import Telemetry
import TestSupport
import Testing

@Suite struct `The reference` {
    /// With `PGLEASH_WRITE_REFERENCE` set it writes the files instead: `make reference`.
    @Test(arguments: [
        ("conf/pgleash.conf", Configuration.exampleFile), ("docs/configuration.md", Configuration.reference),
        ("man/pgleash.conf.5", Configuration.manualPage), ("docs/metrics.md", Metric.reference),
    ])
    func `is up to date`(path: String, text: String) throws {
        let file = Repository.root.appending(path: path)
        if ProcessInfo.processInfo.environment["PGLEASH_WRITE_REFERENCE"] != nil {
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        let isUpToDate = try String(contentsOf: file, encoding: .utf8) == text
        #expect(isUpToDate, "`make reference` brings \(path) up to date")
    }

    @Test func `gives the defaults as a file that changes nothing`() throws {
        let read = try Configuration(parsing: Configuration.exampleFile, file: "pgleash.conf")
        let again = try Configuration(parsing: "", file: "pgleash.conf")
        #expect("\(read.listen)" == "\(again.listen)")
        #expect("\(read.server)" == "\(again.server)")
        #expect("\(read.cancel)" == "\(again.cancel)")
        #expect(read.logLevel == again.logLevel)
    }
}
