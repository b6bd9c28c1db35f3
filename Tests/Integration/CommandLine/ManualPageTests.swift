// The manual pages: valid, and complete regarding the command line. The reference of settings has its own test.

import Foundation
import TestSupport
import Testing

/// The options in `pgleash --help`.
enum CommandLineHelp {
    /// The long options.
    static func options() throws -> Set<Substring> {
        let run = try ChildProcess.run(Programs.pgleash, ["--help"])
        let lines = run.output.split(separator: "\n")
        return Set(lines.compactMap { $0.firstMatch(of: /^  (?:-\w, )?(--[a-z-]+)/)?.1 })
    }
}

extension IntegrationTests {
    @Suite struct `The manual` {
        @Test(arguments: ["pgleash.1", "pgleash.conf.5"])
        func `passes the checks of mandoc`(page: String) throws {
            let file = "\(Programs.root)/man/\(page)"
            let run = try ChildProcess.run(Programs.system("mandoc"), ["-T", "lint", "-W", "warning", file])
            #expect(run.exit == .code(0), "\(run.output)")
        }

        @Test func `has every option of --help, and no other`() throws {
            let text = try #require(readText("\(Programs.root)/man/pgleash.1"))
            let items = text.split(separator: "\n").compactMap { line in
                line.firstMatch(of: /^\.It Fl (?:h , )?\\-([a-z\\-]+)/).map { "--" + $0.1.replacing("\\", with: "") }
            }
            // The help does not contain the option that swift-argument-parser adds.
            let documented = Set(items).subtracting(["--generate-completion-script"])
            #expect(items.count == Set(items).count)
            #expect(documented == Set(try CommandLineHelp.options().map(String.init)))
        }
    }
}
