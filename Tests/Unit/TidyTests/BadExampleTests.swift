// Tests of the rules: each finds its violations, and ignores text that only looks like one.

import Testing

@Suite struct `A rule` {
    /// The findings of a rule in a tree, as `file:line` pairs.
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

    @Test func `finds unsafe code in the wrong module`() throws {
        let text = "// unsafe\nlet a = \"unsafe\"\nlet b = unsafe c()\n/* unsafe\n unsafe */ let unsafely = 1\n"
        let files = [
            "Sources/Proxy/A.swift": text, "Sources/Reactor/A.swift": text, "Sources/TLS/A.swift": text,
            "Sources/HTTP/A.swift": text, "Sources/LibPQ/A.swift": text,
            "Sources/Proxy/B.swift": "let a = \"\\(unsafe b())\"",
        ]
        let expected = ["Sources/Proxy/A.swift:3", "Sources/Proxy/B.swift:1"]
        #expect(try places("only modules over C libraries say unsafe", files) == expected)
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

    /// An import for each module that its rule forbids.
    @Test(arguments: [
        ("PostgresProtocol", "Reactor"), ("PostgresProtocol", "Glibc"), ("CancelPolicy", "Reactor"),
        ("CancelPolicy", "Logging"), ("Reactor", "PostgresProtocol"), ("Reactor", "Foundation"), ("HTTP", "Telemetry"),
        ("HTTP", "CLibevent"), ("TLS", "Settings"), ("TLS", "HTTP"),
        ("TLS", "PostgresProtocol"), ("Settings", "Proxy"), ("Settings", "FoundationEssentials"),
        ("Telemetry", "Reactor"), ("Telemetry", "Settings"), ("Upstream", "Proxy"), ("Upstream", "Glibc"),
        ("Proxy", "Glibc"), ("Proxy", "COpenSSL"), ("Proxy", "CLibevent"), ("pgleash", "Reactor"),
        ("pgleash", "Upstream"), ("Unknown", "Swift"),
    ])
    func `finds what a module may not import`(module: String, imported: String) throws {
        let rule = "imports follow the modules"
        for line in [
            "import \(imported)", "@testable import \(imported)", "package import \(imported)",
            "  import struct \(imported).A",
        ] {
            #expect(try places(rule, ["Sources/\(module)/A/A.swift": line]) == ["Sources/\(module)/A/A.swift:1"])
        }
    }

    @Test func `lets pass what a module may import`() throws {
        let good = [
            "Sources/Proxy/A/A.swift": "import PostgresProtocol\nimport Reactor\nimport Logging",
            "Sources/pgleash/A.swift": "import Proxy",
            "Sources/TLS/B.swift": "// import Foundation\nlet a = \"\"\"\n    import Foundation\n    \"\"\"",
        ]
        #expect(try places("imports follow the modules", good) == [])
    }

    @Test func `finds a tree without files`() throws {
        #expect(try places("there are sources and tests to look at", [:]) == ["Sources:1", "Tests:1"])
    }

    @Test func `finds metrics in documents that are not there`() throws {
        let table = "Sources/Telemetry/Metrics/MetricTable.swift"
        let rule = "documents name no metric that is not in the table of metrics"
        let files = [
            table: ".counter(\"pgleash_a_total\")\n    \"pgleash_b\", .gauge\n",
            "docs/monitoring.md": "## Metrics\n| `pgleash_a_total{by}` |\n| `pgleash_c` |\n`pgleash_b` in prose\n",
        ]
        #expect(try places(rule, files) == ["docs/monitoring.md:3"])
        #expect(try places(rule, [table: "", "README.md": ""]) == ["\(table):1"])
    }

    @Test func `finds links that lead to no file and to no heading`() throws {
        let files = [
            "README.md": """
            # A title: what it is
            [a](docs/a.md) [b](docs/a.md#one-two) [c](#a-title-what-it-is) [d](https://example.com/x) [e](docs)
            [f](docs/none.md)
            [g](docs/a.md#none)
            `[h](none.md)`
            ```sh
            [i](none.md)
            ```
            [j](../README.md)
            """,
            "docs/a.md": "## One `two`\n## One two\n[a](../README.md#none)\n[b](#one-two-1)\n```\n# no heading\n```\n"
                + "[c](#no-heading)\n",
        ]
        let expected = ["README.md:3", "README.md:4", "README.md:9", "docs/a.md:3", "docs/a.md:8"]
        #expect(try places("links in documents lead to files and headings", files) == expected)
    }

    @Test func `finds a README that is too long or not there`() throws {
        for (count, isGood) in [(0, false), (1, true), (150, true), (151, false)] {
            #expect(try places("README is short", ["README.md": lines(count)]).isEmpty == isGood)
        }
    }

    @Test func `finds folders that are not in the architecture, and folders in it that are not there`() throws {
        let files = [
            "Sources/A/One.swift": "", "Sources/B/One.swift": "", "Sources/B/C/Two.swift": "",
            "docs/architecture.md": "## Folders\n\n| `A` | a |\n| `B/C` | c |\n| `D` | d |\n## Other\n| `E` | e |\n",
        ]
        let rule = "the architecture has every folder of the sources, and no other"
        #expect(try places(rule, files) == ["Sources/B/One.swift:1", "docs/architecture.md:5"])
    }

    @Test func `finds imports in the architecture that are not allowed`() throws {
        let rule = "the architecture has the imports that are allowed"
        let table = try #require(Tree.repository().files["docs/architecture.md"])
        let bad = table.replacing("| `Reactor` |\n", with: "| – |\n")
        #expect(try bad != table && places(rule, ["docs/architecture.md": bad]).count == 6)
        #expect(try places(rule, ["docs/architecture.md": table]) == [])
    }

    @Test func `finds seeded bugs whose text is not there, or more than once`() throws {
        let bugs =
            "rule: a\nfile: Sources/A/A.swift\ntext: one\nbug:\n\nrule: b\nfile: Sources/A/A.swift\ntext: two\nbug:\n"
        let rule = "each seeded bug replaces a text that stands once in its file"
        for (source, lines) in [("one\ntwo\n", [String]()), ("one\n", ["8"]), ("one\ntwo\none\n", ["3"])] {
            let files = ["Tests/Data/Mutants/seeded-bugs.txt": bugs, "Sources/A/A.swift": source]
            #expect(try places(rule, files) == lines.map { "Tests/Data/Mutants/seeded-bugs.txt:\($0)" })
        }
    }

    @Test func `finds a changelog of another version`() throws {
        let rule = "the changelog begins with the version"
        let version = "package let pgleashVersion = \"1.2.0\"\n"
        for (changelog, isGood) in [
            ("# Changelog\n\n## [1.2.0] - today\n## 1.1.0\n", true), ("# Changelog\n## 1.2.0\n", true),
            ("# Changelog\n## 1.1.0\n## 1.2.0\n", false), ("# Changelog\n", false), ("## 1.2.0-beta\n", false),
        ] {
            let files = ["Sources/Proxy/Process/Version.swift": version, "CHANGELOG.md": changelog]
            #expect(try places(rule, files).isEmpty == isGood, "\(changelog)")
        }
    }
}
