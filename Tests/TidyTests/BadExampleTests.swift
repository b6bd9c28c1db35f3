// Each rule finds what it is there to find, and lets what only looks like it pass.

import Testing

@Suite struct `A rule` {
    /// What a rule says of a tree, as `file:line` pairs.
    private func places(_ name: String, _ files: [String: String]) throws -> [String] {
        let rule = try #require((sourceRules + documentRules).first { $0.name == name })
        return rule.findings(Tree(files)).map { "\($0.file):\($0.line)" }.sorted()
    }

    private func lines(_ count: Int, _ line: String = "x") -> String {
        String(repeating: line + "\n", count: count)
    }

    @Test func `has a name of its own`() {
        let names = (sourceRules + documentRules).map(\.name)
        #expect(Set(names).count == names.count)
    }

    @Test func `finds long files`() throws {
        let files = [
            "Sources/A/Good.swift": lines(300), "Sources/A/Bad.swift": lines(301), "Tests/T/T.swift": lines(302),
        ]
        #expect(
            try places("files have 300 lines at most", files) == ["Sources/A/Bad.swift:301", "Tests/T/T.swift:301"])
    }

    @Test func `finds long lines`() throws {
        let (good, bad) = (String(repeating: "ü", count: 120), String(repeating: "ü", count: 121))
        let files = ["Sources/A/A.swift": good + "\n" + bad + "\n"]
        #expect(try places("lines have 120 characters at most", files) == ["Sources/A/A.swift:2"])
    }

    @Test func `finds long functions and no other braces`() throws {
        func function(_ head: String, _ count: Int) -> String { head + " {\n" + lines(count - 2) + "}\n" }
        let rule = "functions have 60 lines at most"
        for head in ["func f()", "    init?(a: Int)", "deinit", "static func f(\n    a: Int\n) throws -> Int"] {
            let extra = head.split(separator: "\n").count - 1
            #expect(try places(rule, ["Sources/A/A.swift": function(head, 61 - extra)]) == ["Sources/A/A.swift:1"])
            #expect(try places(rule, ["Sources/A/A.swift": function(head, 60 - extra)]) == [])
        }
        let braces =
            "func f() {\n" + lines(20, "let a = \"}\" // }") + lines(20, "b { \"\\(c { \"}\" })\" }") + lines(20) + "}"
        #expect(try places(rule, ["Sources/A/A.swift": braces]) == ["Sources/A/A.swift:1"])
        let others =
            "protocol P {\n    func f()\n}\nlet table = [\n" + lines(70, "    a {\n    },") + "]\n"
            + function("struct S", 90)
        #expect(try places(rule, ["Sources/A/A.swift": others]) == [])
    }

    @Test func `finds files that do not say what they are`() throws {
        let files = [
            "Sources/A/Good.swift": "// What it is.\n", "Sources/A/Bad.swift": "import A\n// Later.\n",
            "Sources/A/Empty.swift": "", "Tests/T/T.swift": "/// A declaration's.\n",
        ]
        let rule = "files open with a comment that says what they are"
        #expect(
            try places(rule, files) == ["Sources/A/Bad.swift:1", "Sources/A/Empty.swift:1", "Tests/T/T.swift:1"]
        )
    }

    @Test func `finds unsafe code in the wrong room`() throws {
        let text = "// unsafe\nlet a = \"unsafe\"\nlet b = unsafe c()\n/* unsafe\n unsafe */ let unsafely = 1\n"
        let files = [
            "Sources/Leash/A.swift": text, "Sources/Reactor/A.swift": text, "Sources/TLS/A.swift": text,
            "Sources/Leash/B.swift": "let a = \"\\(unsafe b())\"",
        ]
        let expected = ["Sources/Leash/A.swift:3", "Sources/Leash/B.swift:1"]
        #expect(try places("only Reactor and TLS say unsafe", files) == expected)
    }

    @Test func `finds what is left to do`() throws {
        for word in ["TODO", "FIXME", "XXX"] {
            let files = ["Sources/A/A.swift": "let a = 1 // \(word): more\nlet \(word)S = \"a\(word)\"\n"]
            #expect(try places("nothing is left to do", files) == ["Sources/A/A.swift:1"])
        }
    }

    @Test func `finds what is forced`() throws {
        let text = "try! a()\nlet b = c as! D\nfatalError()\ntry? FatalError()\nlet a = b != c // try! as! fatalError\n"
        let expected = (1...3).map { "Sources/A/A.swift:\($0)" }
        #expect(try places("nothing is forced", ["Sources/A/A.swift": text]) == expected)
    }

    @Test func `finds imports against the direction of the rooms`() throws {
        let bad = [
            "Sources/PostgresWire/A.swift": "import Reactor", "Sources/Reactor/A.swift": "import struct PostgresWire.A",
            "Sources/PostgresWire/B.swift": "import CLibevent",
            "Sources/Leash/A.swift": "@testable import pgleash",
            "Sources/Leash/B.swift": "package import FoundationEssentials", "Sources/Leash/C.swift": "  import Glibc",
            "Sources/pgleash/A.swift": "import Reactor", "Sources/Reactor/B.swift": "import Foundation",
            "Sources/Leash/Report.swift": "import Foundation", "Sources/Unknown/A.swift": "import Swift",
        ]
        #expect(try places("imports follow the rooms", bad) == bad.keys.map { $0 + ":1" }.sorted())
        let good = [
            "Sources/Leash/A.swift": "import PostgresWire\nimport Reactor\nimport Logging",
            "Sources/Leash/Report.swift": "import FoundationEssentials", "Sources/pgleash/A.swift": "import Leash",
            "Sources/Leash/B.swift": "// import Foundation\nlet a = \"\"\"\n    import Foundation\n    \"\"\"",
        ]
        #expect(try places("imports follow the rooms", good) == [])
    }

    @Test func `finds a tree without files`() throws {
        #expect(try places("there are sources and tests to look at", [:]) == ["Sources:1", "Tests:1"])
    }

    @Test func `finds keys that are not documented, and documented ones that are not there`() throws {
        var files = [
            "Sources/Leash/Setting.swift": "Setting(section: \"a\", key: \"x\")\nSetting(section: \"b\", key: \"x\")\n",
            "conf/pgleash.conf": "[a]\nx = 1\n[b]\n#x = 2\n",
            "README.md": "| `[a]` | `x` | 1 | what |\n| `[b]` | `x` | 2 | what |\n",
        ]
        let rule = "pgleash.conf and README have every key, and no other"
        #expect(try places(rule, files) == [])
        files["conf/pgleash.conf"] = "[a]\nx = 1\n# x = 2 in prose\ny = 3\n"
        #expect(try places(rule, files) == ["Sources/Leash/Setting.swift:2", "conf/pgleash.conf:4"])
        files["conf/pgleash.conf"] = "[a]\nx = 1\n[b]\n#x = 2\n"
        files["README.md"] = "| `[a]` | `x` | 1 | what |\n| | `z` | 1 | what |\n"
        #expect(try places(rule, files) == ["README.md:2", "Sources/Leash/Setting.swift:2"])
        #expect(try places(rule, [:]) == ["README.md:1", "conf/pgleash.conf:1"])
    }

    @Test func `finds metrics that are not documented, and documented ones that are not there`() throws {
        let files = [
            "Sources/Leash/Metrics.swift": "Metric(\"pgleash_a_total\")\n    \"pgleash_b\", .gauge\n",
            "README.md": "| `pgleash_a_total{by}` | counter |\n| `pgleash_c` | gauge |\n`pgleash_b` in prose\n",
        ]
        let rule = "README has every metric, and no other"
        #expect(try places(rule, files) == ["README.md:2", "Sources/Leash/Metrics.swift:2"])
    }

    @Test func `finds files that are not in the code layout, and files in it that are not there`() throws {
        let files = [
            "Sources/A/One.swift": "", "Sources/B/One.swift": "", "Sources/B/Two.swift": "",
            "README.md": "| **Sources/A** | a |\n| `One.swift` | x |\n| **Sources/B** | b |\n| `Two.swift` | x |\n"
                + "| `Three.swift` | x |\n",
        ]
        let rule = "README's code layout has every source file, and no other"
        #expect(try places(rule, files) == ["README.md:5", "Sources/B/One.swift:1"])
    }

    @Test func `finds seeded bugs whose text is not there, or more than once`() throws {
        let bugs =
            "rule: a\nfile: Sources/A/A.swift\ntext: one\nbug:\n\nrule: b\nfile: Sources/A/A.swift\ntext: two\nbug:\n"
        let rule = "each seeded bug replaces a text that stands once in its file"
        for (source, lines) in [("one\ntwo\n", [String]()), ("one\n", ["8"]), ("one\ntwo\none\n", ["3"])] {
            let files = ["Tests/Mutants/seeded-bugs.txt": bugs, "Sources/A/A.swift": source]
            #expect(try places(rule, files) == lines.map { "Tests/Mutants/seeded-bugs.txt:\($0)" })
        }
    }

    @Test func `finds a changelog of another version`() throws {
        let rule = "the changelog begins with the version"
        let version = "package let pgleashVersion = \"1.2.0\"\n"
        for (changelog, isGood) in [
            ("# Changelog\n\n## [1.2.0] - today\n## 1.1.0\n", true), ("# Changelog\n## 1.2.0\n", true),
            ("# Changelog\n## 1.1.0\n## 1.2.0\n", false), ("# Changelog\n", false), ("## 1.2.0-beta\n", false),
        ] {
            let files = ["Sources/Leash/Version.swift": version, "CHANGELOG.md": changelog]
            #expect(try places(rule, files).isEmpty == isGood, "\(changelog)")
        }
    }
}
