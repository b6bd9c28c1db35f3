// The rules for single Swift files: their length, their contents and their imports.

import Testing

/// A rule for the whole tree.
struct Rule: CustomTestStringConvertible, Sendable {
    let name: String
    /// All violations in the tree.
    let findings: @Sendable (Tree) -> [Finding]

    init(_ name: String, _ findings: @escaping @Sendable (Tree) -> [Finding]) {
        self.name = name
        self.findings = findings
    }

    var testDescription: String { name }

    /// A rule that checks each file below `directories` separately.
    static func each(
        _ name: String,
        in directories: [String],
        _ check: @escaping @Sendable (SwiftFile) -> [Finding]
    ) -> Rule {
        Rule(name) { tree in directories.flatMap { tree.swiftFiles(below: $0).flatMap(check) } }
    }
}

let sourceRules: [Rule] = [
    .each("files have 300 lines at most", in: ["Sources", "Tests"]) { file in
        file.lines.count > 300 ? [Finding(file.path, 301, "\(file.lines.count) lines, 300 are allowed")] : []
    },
    .each("lines have 120 characters at most", in: ["Sources", "Tests"]) { file in
        file.lines.enumerated().filter { $0.element.count > 120 }
            .map { Finding(file.path, $0.offset + 1, "\($0.element.count) characters, 120 are allowed") }
    },
    .each("functions have 60 lines at most", in: ["Sources"]) { file in
        functions(in: file.code).filter { $0.count > 60 }
            .map { Finding(file.path, $0.lowerBound + 1, "a function of \($0.count) lines, 60 are allowed") }
    },
    .each("files open with a comment that says what they are", in: ["Sources", "Tests"]) { file in
        (file.lines.first ?? "").hasPrefix("// ") ? [] : [Finding(file.path, 1, "the first line is no comment")]
    },
    .each("only modules over C libraries say unsafe", in: ["Sources"]) { file in
        ["HTTP", "LibPQ", "Reactor", "TLS"].contains(file.module)
            ? [] : file.findings(file.code, /\bunsafe\b/, "\"unsafe\" outside of HTTP, LibPQ, Reactor and TLS")
    },
    .each("nothing is left to do", in: ["Sources"]) { file in
        file.findings(file.lines, /\b(?:TODO|FIXME|XXX)\b/, "a note of something to do")
    },
    .each("nothing is forced", in: ["Sources"]) { file in
        file.findings(file.code, /\b(?:try|as)!|\bfatalError\b/, "\"try!\", \"as!\" or \"fatalError\"")
    },
    .each("imports follow the modules", in: ["Sources"]) { file in
        imports(in: file.code).filter { !isAllowed($0.module, in: file) }
            .map { Finding(file.path, $0.line, "\(file.module) may not import \($0.module)") }
    },
    Rule("there are sources and tests to look at") { tree in
        ["Sources", "Tests"].filter { tree.swiftFiles(below: $0).isEmpty }.map { Finding($0, 1, "no Swift files") }
    },
]

// MARK: - Imports

/// The allowed imports of each module, Swift's own modules included.
let allowedImports: [String: Set<String>] = [
    "PostgresProtocol": [],
    "CancelPolicy": ["PostgresProtocol"],
    "Reactor": ["CLibevent", "Glibc", "Synchronization"],
    "HTTP": ["CEvhttp", "Reactor", "Glibc"],
    "TLS": ["COpenSSL", "Reactor", "Glibc"],
    "LibPQ": ["Reactor", "Glibc"],
    "Settings": ["PostgresProtocol", "Reactor", "TLS", "Logging"],
    "Telemetry": ["CancelPolicy", "Logging", "Synchronization"],
    "Upstream": [
        "CancelPolicy", "LibPQ", "PostgresProtocol", "Reactor", "Settings", "TLS", "Telemetry", "Logging",
        "Synchronization",
    ],
    "Proxy": [
        "CancelPolicy", "HTTP", "LibPQ", "PostgresProtocol", "Reactor", "Settings", "TLS", "Telemetry", "Upstream",
        "Logging",
        "Synchronization",
    ],
    "pgleash": ["Proxy", "Settings", "ArgumentParser", "Logging"],
]

private func isAllowed(_ module: String, in file: SwiftFile) -> Bool {
    allowedImports[file.module]?.contains(module) == true
}

private func imports(in code: [Substring]) -> [(line: Int, module: String)] {
    let pattern = /^\s*(?:@\w+\s+|(?:public|package|internal|fileprivate|private)\s+)*import\s+(?:[a-z]+\s+)?(\w+)/
    return code.enumerated().compactMap { offset, line in
        line.firstMatch(of: pattern).map { (offset + 1, String($0.1)) }
    }
}

// MARK: - Functions

/// The lines of each function, initializer and deinitializer with a body, from its name to its last brace.
func functions(in code: [Substring]) -> [Range<Int>] {
    let pattern = /(?:^|\s)(?:func\s|init[?!]?[(<]|deinit\b|subscript[(<])/
    return code.indices.compactMap { start in
        guard let match = code[start].firstMatch(of: pattern) else { return nil }
        return end(of: code, from: start, code[start][match.range.lowerBound...]).map { start..<$0 + 1 }
    }
}

/// The line of the brace that closes the block at `start`; nil where there is no body, as in a protocol.
private func end(of code: [Substring], from start: Int, _ first: Substring) -> Int? {
    var (braces, parentheses) = (0, 0)
    for index in start..<code.count {
        for character in index == start ? first : code[index] {
            switch character {
            case "(": parentheses += 1
            case ")": parentheses -= 1
            case "{": braces += 1
            case "}":
                braces -= 1
                if braces == 0 { return index }
                // The end of the type around a function without a body.
                if braces < 0 { return nil }
            default: break
            }
        }
        let next = index + 1 < code.count ? code[index + 1].drop { $0 == " " } : ""
        let goesOn = ["where ", "->", "{", "throws", "async"].contains { next.hasPrefix($0) }
        if braces == 0, parentheses == 0, !goesOn { return nil }
    }
    return nil
}
