// The rules that keep the documents consistent with the sources: both contain the same names. The rule for links is in
// DocumentLinks.swift.

let documentRules: [Rule] = [
    Rule("documents name no metric that is not in the table of metrics") { tree in
        let metrics = named(in: tree, metricsPath) { $0.firstMatch(of: /"(pgleash_\w+)"/).map { String($0.1) } }
        guard !metrics.isEmpty else { return [Finding(metricsPath, 1, "no metric found")] }
        return tree.files.keys.filter { $0.hasSuffix(".md") }.sorted().flatMap { path in
            tree.lines(of: path).enumerated().flatMap { offset, line in
                line.matches(of: /`(pgleash_[a-z_]+)/).map { String($0.1) }
                    .filter { name in !metrics.contains { $0.name == name } }
                    .map { Finding(path, offset + 1, "metric \($0) is not in the sources") }
            }
        }
    },
    Rule("the architecture has every folder of the sources, and no other") { tree in
        let folders = tree.swiftFiles(below: "Sources").map { Name(file: $0.path, line: 1, name: $0.folder) }
        return compare(folders, laidOutFolders(tree), "folder", architecturePath)
    },
    Rule("the architecture has the imports that are allowed") { tree in
        let allowed = allowedImports.map { module, imports in
            let own = imports.intersection(allowedImports.keys)
            return Name(file: "Tests/Unit/TidyTests/SourceRules.swift", line: 1, name: importLine(module, own))
        }
        return compare(allowed, documentedImports(tree), "imports of", architecturePath)
    },
    Rule("each seeded bug replaces a text that stands once in its file") { tree in
        var file = ""
        return tree.lines(of: bugsPath).enumerated().flatMap { offset, line -> [Finding] in
            if line.hasPrefix("file: ") { file = String(line.dropFirst(6)) }
            guard line.hasPrefix("text: ") else { return [] }
            let count = tree.lines(of: file).count { $0.contains(line.dropFirst(6)) }
            return count == 1 ? [] : [Finding(bugsPath, offset + 1, "stands \(count) times in \(file)")]
        }
    },
    Rule("the changelog begins with the version") { tree in
        let version = named(in: tree, versionPath) { line in
            line.firstMatch(of: /pgleashVersion\s*=\s*"([^"]*)"/).map { String($0.1) }
        }
        let heading = named(in: tree, changelogPath) { line in
            line.firstMatch(of: /^## \[?(\d[^\] ]*)/).map { String($0.1) }
        }
        return compare(version, Array(heading.prefix(1)), "version", changelogPath)
    },
    Rule("README is short") { tree in
        let count = tree.lines(of: readmePath).count
        return (1...150).contains(count) ? [] : [Finding(readmePath, count, "\(count) lines, 150 are allowed")]
    },
    Rule("links in documents lead to files and headings") { tree in
        tree.files.keys.filter { $0.hasSuffix(".md") }.sorted().flatMap { deadLinks(in: $0, of: tree) }
    },
]

private let metricsPath = "Sources/Telemetry/Metrics/MetricTable.swift"
private let versionPath = "Sources/Proxy/Process/Version.swift"
private let architecturePath = "docs/architecture.md"
private let readmePath = "README.md"
let bugsPath = "Tests/Data/Mutants/seeded-bugs.txt"
private let changelogPath = "CHANGELOG.md"

/// A name and its place.
private struct Name {
    let file: String
    let line: Int
    let name: String
}

/// The matches of `name` in the lines of a file.
private func named(in tree: Tree, _ path: String, _ name: (Substring) -> String?) -> [Name] {
    tree.lines(of: path).enumerated().compactMap { offset, line in
        name(line).map { Name(file: path, line: offset + 1, name: $0) }
    }
}

/// The same for one chapter of a document.
private func named(
    in tree: Tree, _ path: String, chapter: String, _ name: (Substring) -> String?
) -> [Name] {
    var isInside = false
    return named(in: tree, path) { line in
        if line.hasPrefix("## ") { isInside = line == "## \(chapter)" }
        return isInside ? name(line) : nil
    }
}

/// A finding for each name on one side only. No name on either side is a finding, too: the rule no longer matches its
/// text.
private func compare(_ sources: [Name], _ documents: [Name], _ kind: String, _ document: String) -> [Finding] {
    guard !sources.isEmpty, !documents.isEmpty else {
        return [Finding(document, 1, "no \(kind) found in \(sources.isEmpty ? "the sources" : document)")]
    }
    let (inSources, inDocuments) = (Set(sources.map(\.name)), Set(documents.map(\.name)))
    return sources.filter { !inDocuments.contains($0.name) }
        .map { Finding($0.file, $0.line, "\(kind) \($0.name) is not in \(document)") }
        + documents.filter { !inSources.contains($0.name) }
        .map { Finding($0.file, $0.line, "\(kind) \($0.name) is not in the sources") }
}

/// The folders in the architecture's table.
private func laidOutFolders(_ tree: Tree) -> [Name] {
    named(in: tree, architecturePath, chapter: "Folders") { line in
        line.firstMatch(of: /^\| `([\w\/]+)` \|/).map { "Sources/\($0.1)" }
    }
}

/// The modules in the architecture's table, each with the modules that it may import.
private func documentedImports(_ tree: Tree) -> [Name] {
    var above: Set<String> = []
    return named(in: tree, architecturePath, chapter: "Modules") { line in
        guard let match = line.firstMatch(of: /^\| `(\w+)` \| .* \| ([^|]*) \|$/) else { return nil }
        let imports = match.2 == "all above" ? above : Set(match.2.matches(of: /`(\w+)`/).map { String($0.1) })
        above.insert(String(match.1))
        return importLine(String(match.1), imports)
    }
}

private func importLine(_ module: String, _ imports: Set<String>) -> String {
    "\(module): \(imports.sorted().joined(separator: ", "))"
}
